"""What is this package's own: it stands in its sources, whose digest tells one version of it from another.

Whatever else a user or a plug-in brings (an observable, a circulation, a solver) has no such digest: what is made of it
is kept for no other process.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["ROOMS", "own"]

ROOMS = ("core", "engine", "physiology", "calibration")  # whose sources a kept program is made of
_ROOT = __name__.rsplit(".", 2)[0]


def own(part: Any) -> bool:
    """Whether a class or function stands in a room of `ROOMS` under its own name.

    A wrapper that bears the name of what it wraps does not, nor does what another function makes anew.
    """
    module, name = getattr(part, "__module__", None) or "", getattr(part, "__qualname__", "")
    if module not in sys.modules or not module.startswith(tuple(f"{_ROOT}.{room}." for room in ROOMS)):
        return False
    return vars(sys.modules[module]).get(name) is part
