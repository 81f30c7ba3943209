"""A made-up person whose readings agree with each other; nobody's values enter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.configs import config_path, load_yaml
from .codes import info
from .quality import mosteller

__all__ = ["MockPerson", "MockReading"]


@dataclass(frozen=True)
class MockReading:
    """One value of a made-up person as a record writes it: text in every field, empty where the record has a gap."""

    patient: str
    name: str
    value: str
    unit: str
    time: str
    modality: str
    condition: str
    consent: str


class MockPerson:
    """One drawn person: `value` gives any observable or covariate in the unit that it has inside hemotwin.

    Drawn quantities are lognormal (configs/records/mock_adult.yaml); all others are computed from them: outputs and
    resistances by their definitions, the mean pressure as diastolic plus a third of the pulse.
    """

    def __init__(self, random: np.random.Generator):
        self._random = random
        data = _data()
        self._spread = float(data["between_readings"]["spread"])
        drawn = {
            name: one["median"] * math.exp(_bounded(random) * one["spread"]) for name, one in data["drawn"].items()
        }
        self._sex = "female" if random.random() < 0.5 else "male"
        self._values = _computed(drawn)

    def value(self, name: str, again: int = 0) -> float | str:
        """The reading; `again` is 0 for the first and its number for a later one, which differs a little."""
        if name == "sex":
            return self._sex
        about = info(name)
        known = self._values.get(name)
        if known is None:  # what no formula here gives: the middle of its plausible range
            low, high = about.low or 0.0, about.high or 1.0
            known = math.sqrt(low * high) if low > 0 else 0.5 * (low + high)
        if again and name not in ("age", "height", "bsa"):
            known *= math.exp(self._spread * _bounded(self._random))
        return float(f"{known:.3g}")


def _computed(d: dict[str, float]) -> dict[str, float]:
    rate, stroke = d["heart_rate"], d["stroke_volume"]
    output = stroke * rate / 1000
    sbp, pulse = d["dbp"] + d["arterial_pulse"], d["arterial_pulse"]
    mean = d["dbp"] + pulse / 3
    pa_mean = d["pcwp_mean"] + d["pulmonary_gradient"]
    pa_low = pa_mean - d["pulmonary_pulse"] / 3
    pa_high = pa_low + d["pulmonary_pulse"]
    rap = d["ra_pressure_mean"]
    lv_edv, rv_edv = stroke / d["lv_ejection"], stroke / d["rv_ejection"]
    bsa = mosteller(d) or math.nan
    return d | {
        "bsa": bsa, "sbp": sbp, "map": mean, "central_sbp": sbp - 0.15 * pulse, "central_dbp": d["dbp"],
        "central_map": mean, "lv_pressure_max": sbp - 0.12 * pulse, "lv_edp": d["pcwp_mean"] + 1,
        "ra_pressure_max": rap + 3, "ra_pressure_min": rap - 2, "ra_a_wave": rap + 3, "ra_v_wave": rap + 2,
        "rv_edp": rap + 0.5, "rv_pressure_min": rap - 3, "rv_pressure_max": pa_high + 1,
        "pa_pressure_mean": pa_mean, "pa_pressure_diastolic": pa_low, "pa_pressure_systolic": pa_high,
        "cardiac_output": output, "cardiac_index": output / bsa, "stroke_volume_index": stroke / bsa,
        "lv_edv": lv_edv, "lv_esv": lv_edv - stroke, "lvef": 100 * d["lv_ejection"],
        "rv_edv": rv_edv, "rv_esv": rv_edv - stroke, "rvef": 100 * d["rv_ejection"],
        "a_wave": d["e_wave"] / d["e_to_a"], "mv_e_a_ratio": d["e_to_a"],
        "svr": 0.06 * (mean - rap) / output, "pvr": 0.06 * d["pulmonary_gradient"] / output,
        "lv_stroke_work": stroke * (mean - d["pcwp_mean"]), "rv_stroke_work": stroke * (pa_mean - rap),
    }  # fmt: skip


def _bounded(random: np.random.Generator) -> float:
    """A standard normal within two sds: a mock is there to be read, not to test the limits."""
    return float(np.clip(random.standard_normal(), -2.0, 2.0))


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return load_yaml(config_path("records", "mock_adult.yaml"))
