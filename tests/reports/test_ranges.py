"""A reading known only as a range is shown as that range, wherever a twin is shown."""

from __future__ import annotations

import dataclasses

import pytest

from hemotwin.reports.export_table import export_rows
from hemotwin.reports.fhir_bundle import fhir_bundle
from hemotwin.reports.report import page
from hemotwin.reports.tables import fit_cells, fit_table
from tests.reports.example_twin import example_twin

ENDS = {"55 to 60": (55.0, 60.0), "below 12": (None, 12.0), "above −3": (-3.0, None)}


def ranged(lower, upper):
    """The stand-in twin whose first reading, a cuff pressure, is known only as a range."""
    twin = example_twin()
    row = dataclasses.replace(twin.fit[0], measured=None, lower=lower, upper=upper, kind="interval", difference=0.0)
    return dataclasses.replace(twin, fit=(row, *twin.fit[1:]))


@pytest.mark.parametrize("words", ENDS)
def test_page_table_and_exports_show_the_range(words):
    twin = ranged(*ENDS[words])
    assert words in page(twin) and words in repr(fit_table(twin))
    assert words.replace("−", "-") in repr(twin.table())
    assert f"measured {words.replace('−', '-')} mmHg" in str(fhir_bundle(twin))
    first = next(export_rows([twin]))
    assert (first["kind"], first["value"], first["low"], first["high"]) == ("measured", None, *ENDS[words])


def test_strip_has_the_two_ends_of_a_range_and_one_of_a_limit():
    cells = [fit_cells(ranged(*ends).fit[0]) for ends in ENDS.values()]
    assert [one["range"] for one in cells] == ["range", "range below", "range above"]
    assert all(one["strip"]["measured"] is None for one in cells)
    between, below, above = (one["strip"] for one in cells)
    assert 0 < between["range_low"] < between["range_high"] < 100
    assert below["range_low"] == 0 and 0 < below["range_high"] < 100
    assert 0 < above["range_low"] < 100 and above["range_high"] == 100


def test_number_has_no_range_and_its_tick():
    cells = fit_cells(example_twin().fit[0])
    assert cells["strip"]["measured"] is not None and cells["strip"]["range_low"] is None
    assert page(example_twin()).count('class="range"') == 0
