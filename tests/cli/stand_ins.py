"""Calibration and prediction replaced by answers ready made, so that the command line is tested without a solver."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.core.status import Status
from tests.reports.example_twin import example_predictions, example_twin

TABLE = "patient,observable,value,unit\n" + "".join(
    f"{patient},{name},{value},mm[Hg]\n" for patient in ("A", "B") for name, value in (("sbp", 121), ("dbp", 79))
)


def twin_of(patient: str, status: Status = Status.OK) -> Any:
    """The example twin under another name."""
    return dataclasses.replace(example_twin(), patient=patient, status=status)


class Calls(list):
    """What the stand-ins were called with, and the status each patient is to end with."""

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[str, Status] = {}


def quick_page(twin: Any, *predictions: Any, path: Any) -> Any:
    """A page without drawings, in place of `report`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{twin.patient}: {', '.join(prediction.scenario.name for prediction in predictions)}")
    return path


def install(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Put the stand-ins in place of `calibrate`, `predict` and the drawing of the page."""
    calls = Calls()

    def calibrate(model: Any, records: Any, **options: Any) -> CalibratedTwins:
        calls.append(("calibrate", options))
        options["progress"]("fitted")
        usable = [one for one in records if one.counted]
        skipped = {one.patient: "no usable measurement" for one in records if not one.counted}
        twins = tuple(twin_of(one.patient, calls.status.get(one.patient, Status.OK)) for one in usable)
        return CalibratedTwins(twins, skipped, twins[0].provenance)

    def predict(twin: Any, scenario: Any, **options: Any) -> dict[str, Any]:
        calls.append(("predict", scenario.name, scenario.settings, options))
        named = {name: options[name] for name in ("reflex", "reflex_gains") if name in options}
        ready = dataclasses.replace(example_predictions()[0], patient=twin.patient, scenario=scenario, **named)
        return {twin.patient: ready}

    monkeypatch.setattr("hemotwin.calibration.fit.calibrate", calibrate)
    monkeypatch.setattr("hemotwin.prediction.predict.predict", predict)
    monkeypatch.setattr("hemotwin.reports.report.report", quick_page)
    return calls
