"""Labelled results: every variable that leaves hemotwin says its unit and what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from .disclaimer import DISCLAIMER

__all__ = ["beat_dataset", "variable"]


def variable(dims: Sequence[str], values: Any, units: str, long_name: str) -> tuple[Sequence[str], np.ndarray, dict]:
    """A dataset variable with its unit and description."""
    return (tuple(dims), np.asarray(values), {"units": units, "long_name": long_name})


def beat_dataset(
    time: np.ndarray, pressure: np.ndarray, volume: np.ndarray, flow: np.ndarray, sites: Sequence[str],
    conduits: Sequence[str],
) -> xr.Dataset:  # fmt: skip
    """One beat of one patient: pressure and volume (site, time), flow (conduit, time); time in s from onset."""
    return xr.Dataset(
        {
            "pressure": variable(("site", "time"), pressure, "mmHg", "pressure at the site's port"),
            "volume": variable(("site", "time"), volume, "mL", "volume (vessels: above the unstressed volume)"),
            "flow": variable(("conduit", "time"), flow, "mL/s", "flow, positive downstream"),
        },
        coords={
            "time": ("time", np.asarray(time), {"units": "s", "long_name": "time since ventricular onset"}),
            "site": ("site", list(sites), {"units": "1", "long_name": "compartment"}),
            "conduit": ("conduit", list(conduits), {"units": "1", "long_name": "valve, vessel or bed"}),
        },
        attrs={"note": DISCLAIMER},
    )
