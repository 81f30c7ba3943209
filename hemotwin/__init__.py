"""hemotwin: a calibrated cardiovascular twin from whatever a patient's record holds. Not for clinical use.

The public names below load their module on first use, so `import hemotwin` itself is quick and needs no JAX.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_HERE = Path(__file__).resolve().parent
if not (_HERE / "engine").is_dir():  # a checkout without symbolic links: the rooms stand beside this folder
    __path__.append(str(_HERE.parent))

_PUBLIC = {
    "catalog": "physiology.catalog",
    "circulation": "physiology.model",
    "scenario": "physiology.scenario",
    "read": "records.read",
    "calibrate": "calibration.fit",
    "load": "calibration.twin",
    "simulate": "prediction.simulate",
    "predict": "prediction.predict",
    "report": "reports.report",
    "readiness": "reports.readiness_page",
    "account": "reports.account",
    "doctor": "cli.doctor",
}

__all__ = [
    "__version__",
    "account",
    "calibrate",
    "catalog",
    "circulation",
    "doctor",
    "load",
    "predict",
    "read",
    "readiness",
    "report",
    "scenario",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names are {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})  # what completion is to offer
