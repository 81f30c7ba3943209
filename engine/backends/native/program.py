"""What native code computes for a group of patients: onset, step and end of a beat as lines, with derivatives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...beat import BeatMap
from ...precision import double
from ...reduction import Signs
from ..demand import decided, sunk
from ..jacobian import Jacobian, eliminated
from ..kernel_program import tracing
from ..rare import chosen, with_rare
from ..rewriting import rewrite
from ..straight_line import Builder, Operand, Operation, StraightLine, trace
from ..varying import Varying

__all__ = ["SLOW", "Line", "NativeProgram", "native_program"]

# Least cost of a rare part, and costs of operations where they are not those of one product: a CPU is slow at division.
SMALLEST_RARE = 7
SLOW = {"reciprocal": 4, "div": 4, "sqrt": 5, "exp": 15, "log": 20, "cos": 15, "sin": 15, "tanh": 20, "pow": 40}
COSTS = {"float32": SLOW, "float64": SLOW}


@dataclass(frozen=True)
class Line:
    """A straight line whose first `size` outputs are results and the others the derivatives that `jacobian` names."""

    line: StraightLine
    size: int
    jacobian: Jacobian | None = None


@dataclass(frozen=True)
class NativeProgram:
    """A beat on groups of `width` patients of type `dtype`; with `free` (not None) also its tangents.

    onset: (parameter rows, steps; state) -> what is carried; step: (rows, steps; carried, number of the step) ->
    carried; end: carried -> state, reductions; samples: (rows, steps; carried) -> what is recorded at a node, if
    anything is. Directions are the state rows, then the parameter rows `free`.
    """

    dtype: str
    width: int
    parameters: int
    state: int
    carried: int
    reductions: int
    free: tuple[int, ...] | None
    onset: Line
    step: Line
    end: Line
    samples: Line | None = None

    @property
    def directions(self) -> int:
        """Number of tangents."""
        return 0 if self.free is None else self.state + len(self.free)


def _line(
    function: Callable[..., Any],
    invariant: Sequence[Any],
    varying: Sequence[Any],
    linearised: Callable[[Builder, Sequence[Operation], Sequence[Operand]], Jacobian] | None,
) -> Line:
    found: list[Jacobian] = []

    def more(builder: Builder, operations: Sequence[Operation], outputs: Sequence[Operand]) -> list[Operand]:
        assert linearised is not None
        found.append(linearised(builder, operations, outputs))
        return [d for row in found[0].rows for _, d in (*row.edges, *row.seeds)]

    whole = trace(function, invariant, varying, rewrite, None if linearised is None else more)
    size = len(whole.outputs) - (sum(len(r.edges) + len(r.seeds) for r in found[0].rows) if found else 0)
    return Line(sunk(chosen(with_rare(decided(whole), SMALLEST_RARE, COSTS))), size, found[0] if found else None)


@functools.lru_cache(maxsize=64)
def native_program(
    beat: BeatMap, dtype: str, width: int, free: tuple[int, ...] | None, recorded: Signs = ()
) -> NativeProgram:
    """The lines of a beat, with that of the signals that are recorded. Raises `HemotwinError` where the step is not
    made of elementary operations."""
    with double(dtype == "float64"):  # the program is kept by its type, whatever the caller's setting was
        about = Varying(tracing(beat, width, dtype, thin=free is not None))
        state = len(beat.system.state)
        rows, count = [*about.rows, about.count], len(about.rows)
        carried, directions = [about.row] * about.size, state + len(free or ())

        def pushed(first: int, number: int, seeds: Sequence[int], read: Sequence[int] | None = None) -> Any:
            sources = list(range(first, first + number))
            return (
                None
                if free is None
                else lambda builder, operations, outputs: eliminated(
                    builder, operations, sources, list(seeds), outputs, directions, dtype, flat=read is None, read=read
                )
            )

        held = list(free or ())
        onset = _line(
            lambda r, x: about.begin(r[:count], x, r[count]), rows, [about.row] * state,
            pushed(0, 0, [*range(count + 1, count + 1 + state), *held]),
        )  # fmt: skip
        end = _line(
            lambda _, x: [leaf for part in about.ends(x) for leaf in part], [], carried, pushed(0, about.size, ())
        )
        read = [] if end.jacobian is None else sorted(end.jacobian.read())
        step = _line(
            lambda r, x: about.plain(r[:count], r[count], x[:-1], x[-1]), rows, [*carried, about.count],
            pushed(count + 1, about.size, held, read),
        )  # fmt: skip
        samples = None
        if recorded:
            samples = _line(lambda r, x: about.read(r[:count], r[count], x, recorded), rows, carried, None)
    return NativeProgram(dtype, width, count, state, about.size, len(beat.reductions), free, onset, step, end, samples)
