"""Twins calibrated once per session, so that all tests of calibration and prediction share programs and results."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import hemotwin as ht
from hemotwin.calibration.twin import CalibratedTwins
from hemotwin.records.record import Measurement, MeasurementSet

RECORD = Path(__file__).parents[1] / "configs" / "records" / "ph9.csv"
# Heart transplant, right-heart catheter: Colunga et al. 2020, arXiv:1812.11857. Cardiac output by two methods.
TRANSPLANT = """patient,observable,value,unit,modality
T233,sex,female,,
T233,height,172,cm,
T233,weight,96.1,kg,
T233,heart_rate,83.33,/min,monitor
T233,sbp,149,mm[Hg],cuff
T233,dbp,83,mm[Hg],cuff
T233,rv_pressure_max,40,mm[Hg],catheter
T233,rv_pressure_min,4,mm[Hg],catheter
T233,pa_pressure_systolic,35,mm[Hg],catheter
T233,pa_pressure_diastolic,19,mm[Hg],catheter
T233,pcwp_mean,18.62,mm[Hg],catheter
T233,cardiac_output,10.33,L/min,thermodilution
T233,cardiac_output,7.34,L/min,fick
"""


def reading(patient: str, observable: str, value: float, unit: str, **more: Any) -> Measurement:
    """A measurement typed by hand."""
    return Measurement(patient, observable, value, unit, origin="typed here", **more)


def cuff_only() -> MeasurementSet:
    """A cuff pressure, a heart rate, sex and age: nothing else."""
    rows = (
        reading("CUFF", "sbp", 152.0, "mmHg", modality="cuff"),
        reading("CUFF", "dbp", 96.0, "mmHg", modality="cuff"),
        reading("CUFF", "heart_rate", 71.0, "1/min", modality="monitor"),
    )
    return MeasurementSet("CUFF", {"sex": "female", "age": 61.0}, rows)


def nothing_usable() -> MeasurementSet:
    """A record whose only value is derived from others."""
    row = reading("NONE", "map", 93.0, "mmHg", modality="cuff", kind="derived")
    return MeasurementSet("NONE", {"sex": "male"}, (row,))


@functools.cache
def patients() -> tuple[MeasurementSet, ...]:
    """P1 to P3, the transplant patient, one with a cuff only, one with nothing usable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transplant.csv"
        path.write_text(TRANSPLANT)
        transplant = ht.read(path)
    return (*ht.read(RECORD).select(["P1", "P2", "P3"]), *transplant, cuff_only(), nothing_usable())


@functools.cache
def twins() -> CalibratedTwins:
    """Their twins, at the circulation's own number of steps."""
    model = ht.circulation("adult")
    return ht.calibrate(model, patients(), starts=3, draws=24, steps=model.steps)
