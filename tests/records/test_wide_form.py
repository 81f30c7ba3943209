"""A header that is not understood is told with the wide form that would be."""

from __future__ import annotations

import pytest

import hemotwin as ht
from hemotwin.core.errors import InputError
from hemotwin.core.units import same_dimension
from hemotwin.records.codes import find_name, info, observables
from hemotwin.records.readers.headers import is_known
from hemotwin.records.wide_form import bracketed, split_header, wide_form

from .build import checked, table, values


@pytest.mark.parametrize(
    ("header", "near", "form"),
    [
        ("sbp_mmhg", False, "sbp [mmHg]"),
        ("co_l_min", False, "co [L/min]"),
        ("SBP", False, "SBP [mmHg]"),
        ("ci_l_min_m2", False, "ci [L/min/m2]"),
        ("Heart Rate", False, "Heart Rate [1/min]"),
        ("hr (bpm)", False, "hr [bpm]"),
        ("pvr_wu", False, "pvr [Wood]"),
        ("systolc", True, "sbp [mmHg]"),
        ("systolc", False, ""),
        ("sex", True, ""),
        ("ward", True, ""),
        ("", True, ""),
    ],
)
def test_nearest_wide_form_of_a_header(header, near, form):
    assert wide_form(header, near=near) == form


@pytest.mark.parametrize(
    "name", [name for name in (*observables(), "age", "height", "weight", "bsa") if info(name).unit]
)
def test_wide_form_of_every_name_is_one_that_the_reader_knows(name):
    form = wide_form(name)
    base, unit = split_header(form)
    assert is_known(form) and find_name(base) == find_name(name) and same_dimension(unit, info(name).unit)


@pytest.mark.parametrize("written", ["[L/(min.m2)]", "(L/(min.m2))", "[ L/(min*m2) ]", "[(L/min)/(m2)]", "[L/min/m2]"])
def test_unit_of_cardiac_index_may_hold_round_brackets_in_a_header(tmp_path, written):
    assert is_known(f"cardiac index {written}")
    records = checked(ht.read(table(tmp_path, "A,118,2.4", header=f"id,sbp [mmHg],cardiac index {written}")))
    assert values(records) == {("sbp", "unspecified"): 118, ("cardiac_index", "unspecified"): pytest.approx(2.4)}


def test_remark_with_brackets_of_its_own_is_no_unit():
    assert not is_known("cardiac index (by echo (two views))") and not is_known("sbp [mm(Hg]")
    assert bracketed("sbp mmHg") is bracketed("[mmHg]") is bracketed("sbp ))") is None


def test_headers_without_brackets_are_refused_with_the_headers_to_write(tmp_path):
    with pytest.raises(InputError) as caught:
        ht.read(table(tmp_path, "A,118,4.6,1", header="id,sbp_mmhg,co_l_min,systolc"))
    said = str(caught.value)
    assert "easiest is to rename the columns" in said and "write t_mapping.yaml beside it" in said
    assert "`sbp [mmHg]` for 'sbp_mmhg', `co [L/min]` for 'co_l_min', `sbp [mmHg]` for 'systolc'" in said
    with pytest.raises(InputError, match=r"as `sbp \[mmHg\]`, or write"):
        ht.read(table(tmp_path, "A,118", header="id,zzz"))


def test_column_without_its_unit_beside_others_with_theirs_is_set_aside_with_the_header_to_write(tmp_path):
    records = checked(ht.read(table(tmp_path, "A,118,4.6,x", header="id,sbp [mmHg],co_l_min,ward")))
    assert values(records) == {("sbp", "unspecified"): 118}
    reasons = {row.field: row.reason for row in records.rows if row.fate == "quarantined"}
    assert reasons["co_l_min"] == "the header must say the unit in brackets: write it as `co [L/min]`"
    assert "add it under `columns`" in reasons["ward"]


def test_column_of_an_unknown_name_is_set_aside_with_the_nearest_one_and_no_mapping_taken_for_granted(tmp_path):
    records = checked(ht.read(table(tmp_path, "A,118,76,43", header="id,sbp [mmHg],diastolc [mmHg],shoe [cm]")))
    reasons = {row.field: row.reason for row in records.rows if row.fate == "quarantined"}
    assert reasons["diastolc [mmHg]"].startswith("no reading of this name is known: did you mean `dbp [mmHg]`? Rename")
    assert reasons["shoe [cm]"].startswith("no reading of this name is known: rename the column, or add it under")
