"""The hash of a twin is of what it says, to the last digit, and not of where its rows stood."""

from __future__ import annotations

import dataclasses

import pytest

from hemotwin.calibration.twin import CalibratedTwins, load
from tests.reports.example_twin import example_twin

TWIN = example_twin()


def test_hash_outlives_saving_and_loading(tmp_path):
    CalibratedTwins((TWIN,), {}, TWIN.provenance).save(tmp_path / "t.zarr")
    assert load(tmp_path / "t.zarr")[TWIN.patient].sha256 == TWIN.sha256


def test_place_and_time_of_making_do_not_enter():
    moved = dataclasses.replace(
        TWIN, rows=(), provenance={"date": "another day"},
        fit=tuple(dataclasses.replace(row, origin="another.csv line 99") for row in TWIN.fit),
        assumptions=(*TWIN.assumptions, "tapse (t.csv line 3) was left aside: the circulation has no such reading."),
    )  # fmt: skip
    assert moved.sha256 == TWIN.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"patient": "P3"},
        {"covariates": {**TWIN.covariates, "age": 61.0000001}},
        {"parameters": {**TWIN.parameters, "heart_rate": TWIN.parameters.get("heart_rate", 70.0) + 1e-12}},
        {"fit": TWIN.fit[1:]},
        {"fit": (dataclasses.replace(TWIN.fit[0], fitted=TWIN.fit[0].fitted + 1e-12), *TWIN.fit[1:])},
        {"conflicts": (*TWIN.conflicts, "one more")},
        {"waves": TWIN.waves * (1.0 + 1e-15)},
        {"posterior": TWIN.posterior.assign(z=("draw", [0.1]))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_digit_that_the_twin_says_enters(change):
    assert dataclasses.replace(TWIN, **change).sha256 != TWIN.sha256
