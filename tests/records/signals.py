"""Pressure signals to read: beats of known extremes, and the faults of a line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from hemotwin.records.signal import Channel

RATE = 125.0
BEGINS = datetime(2024, 3, 1, 8, 0, 0)


def pulses(
    seconds: float = 60.0, systolic: float = 120.0, diastolic: float = 70.0, beats: float = 75.0, rate: float = RATE
) -> np.ndarray:
    """A pressure with a fast rise, a slower fall and a dicrotic wave, from diastolic to systolic exactly."""
    phase = (np.arange(round(seconds * rate)) / rate * beats / 60) % 1.0
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(phase / 0.15, 0, 1))
    fall = np.where(phase < 0.15, 1.0, np.exp(-(phase - 0.15) / 0.25))
    wave = 0.12 * np.exp(-(((phase - 0.45) / 0.05) ** 2))
    shape = rise * fall + wave * (phase > 0.15)
    end = float(shape[phase > 0.85].mean())
    shape = np.clip(shape, end, None) if end > 0 else shape
    shape = (shape - shape.min()) / np.ptp(shape)
    return diastolic + (systolic - diastolic) * shape


def channel(values: np.ndarray, name: str = "ABP", unit: str = "mmHg", rate: float = RATE) -> Channel:
    return Channel(name, unit, rate, len(values), BEGINS, lambda start, stop: values[start:stop])


def write_wfdb(folder: Path, record: str, signals: dict[str, np.ndarray], units: list[str], rate: float = RATE) -> Path:
    import wfdb

    wfdb.wrsamp(
        record, fs=rate, units=units, sig_name=list(signals), p_signal=np.column_stack(list(signals.values())),
        fmt=["16"] * len(signals), write_dir=str(folder), base_datetime=BEGINS,
    )  # fmt: skip
    return folder / f"{record}.hea"


def write_edf(
    path: Path, signals: dict[str, np.ndarray], units: list[str], rate: float = RATE, code: str = "E7"
) -> Path:
    import pyedflib

    with pyedflib.EdfWriter(str(path), len(signals), file_type=pyedflib.FILETYPE_EDFPLUS) as file:
        file.setPatientCode(code)
        file.setPatientName("Grace_Example")
        file.setSex(0)
        file.setStartdatetime(BEGINS)
        same = {"sample_frequency": rate, "physical_max": 400.0, "physical_min": -100.0, "digital_max": 32767}
        same |= {"digital_min": -32768, "transducer": "", "prefilter": ""}
        named = zip(signals, units, strict=True)
        file.setSignalHeaders([{"label": name, "dimension": unit, **same} for name, unit in named])
        file.writeSamples([np.ascontiguousarray(one) for one in signals.values()])
    return path
