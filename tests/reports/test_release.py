"""What a policy rounds comes back through no row, sentence or ratio of what leaves."""

from __future__ import annotations

import dataclasses
import json

import pytest

from hemotwin.core.errors import InputError
from hemotwin.records.policy import Policy, load_policy
from hemotwin.records.rows import RowFate
from hemotwin.reports.export_table import export_rows
from hemotwin.reports.lineage import lineage
from hemotwin.reports.release import released
from tests.reports.test_exports import crowd, governed

BODY = {"sex": "female", "age": 61.0, "height": 163.0, "weight": 71.0, "bsa": 1.793}


def with_body(twin):
    """A twin whose record tells age, birth date, size and sex, and whose results hold an output and its index."""
    output = dataclasses.replace(twin.unmeasured[0], observable="cardiac_output", value=5.0)
    index = dataclasses.replace(twin.unmeasured[0], observable="cardiac_index", value=5.0 / BODY["bsa"])
    told = (("age", "61", "a"), ("8302-2", "163", "cm"), ("weight", "156.5", "lb"), ("birthDate", "1962-11-23", ""),
            ("gender", "female", ""))  # fmt: skip
    why = "age 61 at the latest measurement"
    rows = tuple(RowFate(f"b.json entry {k}", twin.patient, field, text, unit, "used", why)
                 for k, (field, text, unit) in enumerate(told))  # fmt: skip
    fitted = dataclasses.replace(twin.fit[0], observable="cardiac_index", origin="b.json entry 9")
    return dataclasses.replace(twin, covariates=BODY, rows=rows, unmeasured=(output, index),
                               fit=(*twin.fit, fitted))  # fmt: skip


def everything(twin):
    """All that the four forms show of a twin, as one text."""
    return json.dumps([lineage(twin).plain(), list(export_rows([twin])), list(twin.assumptions), twin.covariates])


def test_rows_of_the_lineage_show_what_the_policy_leaves_of_age_and_size():
    leaving = released([with_body(one) for one in crowd()], "rocrate", load_policy("research"))
    shown = {row.field: (row.text, row.unit) for row, _ in lineage(leaving[0]).rows}
    assert shown == {"age": ("60", "a"), "8302-2": ("165", "cm"), "weight": ("70", "kg"),
                     "birthDate": ("(rounded)", ""), "gender": ("female", "")}  # fmt: skip
    exact = ('"61"', "61.0", '"163"', "163.0", "156.5", "71.0", "1962", "1.793")
    assert all(word in everything(with_body(governed())) for word in exact)
    assert not [word for word in exact if word in everything(leaving[0])]


def test_values_per_surface_area_stay_behind_where_the_size_is_rounded():
    twin = with_body(governed())
    (leaving,) = released([twin], "csv", dataclasses.replace(load_policy("care"), rounding={"height": None}))
    assert not [row for row in export_rows([leaving]) if str(row["observable"]).endswith("_index")]
    assert "bsa" not in leaving.covariates and "left out" in leaving.assumptions[-1]
    (whole,) = released([twin], "csv", load_policy("care"))
    assert [row for row in export_rows([whole]) if str(row["observable"]).endswith("_index")]


def test_twins_of_two_stewards_are_two_crowds():
    five = [with_body(one) for one in crowd()]
    other = [dataclasses.replace(one, provenance={**one.provenance, "steward": "Another house"}) for one in five[:2]]
    with pytest.raises(InputError, match=r"5-anonymous in site, but 5 of 5 .*the smallest has 2"):
        released([*other, *five[2:]], "csv", load_policy("research"))


def test_a_policy_that_rounds_nothing_changes_nothing():
    twin = with_body(governed())
    (leaving,) = released([twin], "fhir", Policy("mine", "care", export_consent="assumed", pseudonyms="optional", k=1))
    assert everything(leaving) == everything(twin)
