"""Tables fit a terminal, strips stay within their bounds, and what they say follows from the twin."""

from __future__ import annotations

import dataclasses

import pytest

from hemotwin.calibration.twin import ObservableRow
from hemotwin.reports.forest import forest
from hemotwin.reports.sentences import summary
from hemotwin.reports.tables import (
    fit_cells,
    fit_table,
    headlines,
    nobody_measured,
    quantity_table,
    what_if_cells,
    what_if_table,
)
from tests.reports.example_twin import example_predictions, example_twin


def test_every_table_fits_the_terminal_and_says_not_for_clinical_use():
    twin = example_twin()
    tables = [fit_table(twin), quantity_table(twin), what_if_table(example_predictions()[0])]
    assert max(len(line) for table in tables for line in repr(table).splitlines()) <= 110
    assert "Not for clinical use." in repr(tables[0])
    assert "Not for clinical use." in repr(tables[2])


def test_the_fit_table_shows_measured_fitted_difference_and_the_value_left_out():
    row = list(fit_table(example_twin()))[7]
    assert tuple(row.values())[2:] == ("38", "38.3", "+0.3", "55 [40 to 70]", "fits, unexpected")


def test_a_difference_in_the_table_is_fitted_minus_measured():
    for row in example_twin().fit:
        cells = fit_cells(row)
        texts = (cells["fitted"], cells["measured"], cells["difference"])
        fitted, measured, difference = (float(text.replace("−", "-")) for text in texts)
        assert fitted - measured == pytest.approx(difference, abs=0.011 if row.unit == "L/min" else 0.11)


def test_only_quantities_that_the_data_moved_are_listed_most_informed_first():
    twin = example_twin()
    labels = [row[0] for row in quantity_table(twin, 200).rows]
    moved = sorted((q for q in twin.quantities if q.verdict != "prior"), key=lambda q: q.contraction)
    assert labels == [q.label for q in moved]


def test_table_sentence_and_name_count_the_same_free_quantities():
    """Zero errors of transducers are fitted beside the model's quantities and count as none of them."""
    twin = example_twin()
    free = [q for q in twin.quantities if q.kind != "nuisance"]
    assert len(free) < len(twin.quantities)
    stayed = sum(q.verdict == "prior" for q in free)
    assert quantity_table(twin).note.startswith(f"{stayed} of {len(free)} free quantities")
    assert f"of {len(free)} free quantities" in summary(twin) and f"of {len(free)} quantities" in repr(twin)


def test_positions_on_a_strip_lie_between_its_ends_and_in_order():
    strips = [fit_cells(row)["strip"] for row in example_twin().fit]
    strips += [row["strip"] for group in forest(example_twin()) for row in group["rows"]]
    for places in strips:
        assert all(at is None or 0.0 <= at <= 100.0 for at in places.values())
        assert places["low"] is None or places["low"] <= places["high"]


def test_the_prior_median_of_every_quantity_stands_at_the_middle_tick():
    for group in forest(example_twin()):
        middle = {text: at for at, text in group["ticks"]}
        assert middle["1" if "log" in group["title"] else "0"] == 50.0


def test_additive_quantities_stand_apart_from_the_log_axis():
    groups = forest(example_twin())
    assert {row["name"] for row in groups[1]["rows"]} == {"offset.ra", "offset.rv", "thorax.pressure"}


def test_a_change_is_sure_only_when_its_interval_leaves_zero_out():
    row = example_predictions()[0].rows[2]
    assert what_if_cells(row)["sure"]
    assert not what_if_cells(dataclasses.replace(row, change_high=0.2))["sure"]


def test_the_front_numbers_prefer_what_was_measured():
    found = {one["label"]: one["how"] for one in headlines(example_twin())}
    assert found["cardiac output"] == "fitted"
    assert found["pulmonary resistance"] == "not measured"


def test_a_value_that_the_record_derives_is_not_listed_as_unmeasured():
    twin = example_twin()
    mean = ObservableRow("map", "mean arterial pressure", "mmHg", 89.2, 75.0, 101.0)
    known = dataclasses.replace(twin, unmeasured=(mean, *twin.unmeasured))
    assert nobody_measured(known) == list(twin.unmeasured)
    assert {one["label"]: one["how"] for one in headlines(known)}["mean arterial"] == "derived"


def test_the_summary_counts_values_conflicts_and_informed_quantities():
    text = summary(example_twin())
    assert "12 measured values" in text
    assert "11 of them" in text
    assert "5 of 13 free quantities" in text
    assert "2 conflicts" in text
    assert "holds no conflict" in summary(example_twin(conflicts=()))


def test_what_a_reflex_has_set_stands_in_front_where_one_acts():
    without = example_predictions()[0]
    rate = dataclasses.replace(without.rows[0], observable="heart_rate", label="heart rate", unit="1/min")
    without = dataclasses.replace(without, rows=(*without.rows, rate))
    acting = dataclasses.replace(without, reflex="baroreflex")
    shown = [what_if_table(one).column("what if") for one in (without, acting)]
    assert "heart rate" not in shown[0] and shown[1] == [*shown[0], "heart rate"]
    text = repr(what_if_table(acting))
    assert "with baroreflex" in text and max(map(len, text.splitlines()[:-1])) <= 110  # the last line is the note
