"""Libraries that only some readers need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from ...core.errors import InputError

__all__ = ["required"]


def required(module: str, extra: str) -> Any:
    """The module; raises `InputError` with the install command when it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"this format needs {module.partition('.')[0]}, which is not installed: `pip install 'hemotwin[{extra}]'`."
        ) from None
