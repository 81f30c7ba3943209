"""What a beat is given: parameters [P, B] and states [S, B] of one system; anything else is refused here.

Generated code finds rows and lanes by their place and looks at no length: it would read past the end of what is short.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.errors import TracerArrayConversionError

from ..core.errors import InputError
from ..core.layout import Layout
from ..core.system import System

__all__ = ["arrays", "together"]


def together(system: System, parameters: Any, state: Any, *, name: str = "state") -> tuple[Any, Any]:
    """Parameters [P, ...] and state [S, ...] with the system's rows and the same lanes; one lane serves for all.

    Shapes alone are looked at: a compiled program pays for it once, as it is traced. Raises `InputError` for others.
    """
    _check_rows("parameters", system.parameters, parameters)
    _check_rows(name, system.state, state)
    lanes, others = parameters.shape[1:], state.shape[1:]
    if lanes == others:
        return parameters, state
    try:
        shared = np.broadcast_shapes(lanes, others)
    except ValueError:
        raise InputError(
            f"`{name}` must have a lane for each of `parameters`, or one for all, but has shape {state.shape} beside "
            f"{parameters.shape}: take parameters and states of the same patients."
        ) from None
    return _widened(parameters, shared), _widened(state, shared)


def arrays(system: System, parameters: Any, state: Any = None, *, name: str = "state") -> tuple[np.ndarray, Any]:
    """What a caller gives, checked in the same way, as numpy arrays [rows, lanes] of a type that JAX takes.

    float32 stays, other numbers become float64; a state takes the parameters' type, and None stays None. Raises
    `InputError` for what is no such array, and for no lane; the state is called `name` there.
    """
    given = _floats("parameters", system.parameters, parameters)
    start = None if state is None else _floats(name, system.state, state).astype(given.dtype, copy=False)
    if start is not None and start.shape[1] != given.shape[1]:
        given, start = (np.asarray(x) for x in together(system, given, start, name=name))
    return given, start


def _check_rows(argument: str, layout: Layout, rows: Any) -> None:
    shape = np.shape(rows)
    if not shape or shape[0] != len(layout):
        own = argument == "parameters"
        fix = (
            "`system.parameters.pack(values, lanes)` makes them"
            if own
            else "take one that was solved for this system: other valves or leaks have other rows"
        )
        raise InputError(
            f"`{argument}` must have shape [{len(layout)}, lanes], a row for each of `system."
            f"{'parameters' if own else 'state'}` in order, but has {shape}; {fix}."
        )


def _floats(argument: str, layout: Layout, rows: Any) -> np.ndarray:
    """An argument of the caller's as an array [rows, lanes] of float32 or float64."""
    found: Any
    try:
        found = np.asarray(rows)
    except TracerArrayConversionError:
        raise InputError(
            f"`{argument}` must be an array of numbers, but is a value that JAX traces: call this outside `jax.jit`, "
            "`jax.vmap` and `jax.grad`, and inside take `engine.adjoint.steady_readings` or the beat itself."
        ) from None
    except ValueError:  # a list of rows that are not equally long
        found = np.empty((), object)
    if found.dtype.kind not in "iuf":
        raise InputError(
            f"`{argument}` must be an array of real numbers [rows, lanes], but holds {found.dtype.name}s; "
            f"`numpy.asarray({argument}, dtype=float)` makes one."
        )
    _check_rows(argument, layout, found)
    if found.ndim != 2 or not found.shape[1]:
        fix = f"; `{argument}[:, None]` makes a lane of one patient's numbers" if found.ndim == 1 else ""
        raise InputError(
            f"`{argument}` must have shape [{len(found)}, lanes], with one lane or more, but has {found.shape}{fix}."
        )
    return found.astype(found.dtype.newbyteorder("=") if found.dtype == np.float32 else np.float64, copy=False)


def _widened(rows: Any, lanes: tuple[int, ...]) -> Any:
    """Rows [rows, ...] repeated to all lanes."""
    missing = (1,) * (len(lanes) + 1 - rows.ndim)
    return jnp.broadcast_to(rows.reshape(len(rows), *missing, *rows.shape[1:]), (len(rows), *lanes))
