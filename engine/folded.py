"""Parameters that all patients share become numbers of the program: fewer rows to move and fewer registers to hold."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping

from ..core.errors import UnknownNameError
from ..core.layout import Layout
from ..core.system import System

__all__ = ["folded"]


def folded(system: System, values: Mapping[str, float]) -> System:
    """The same system with the parameters in `values` fixed, each in its own unit; the others stay rows in their order.

    Equal calls give the same System, so that compiled programs are shared. Raises `UnknownNameError` for a name that is
    no parameter.
    """
    for name in values:
        if name not in system.parameters.names:
            raise UnknownNameError("parameter", name, system.parameters.names)
    return _folded(system, tuple(sorted((name, float(value)) for name, value in values.items())))


@functools.lru_cache(maxsize=32)
def _folded(system: System, values: tuple[tuple[str, float], ...]) -> System:
    fixed, rows = dict(values), system.parameters
    left = [(name, unit) for name, unit in zip(rows.names, rows.units, strict=True) if name not in fixed]
    layout = Layout(tuple(name for name, _ in left), tuple(unit for _, unit in left))
    return dataclasses.replace(system, parameters=layout, constants={**system.constants, **fixed})
