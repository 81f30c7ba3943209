"""How a computation ended, per patient: run-time trouble is data, never an exception."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ["Status", "merge"]


class Status(enum.IntEnum):
    """One code per patient, ordered by precedence: the larger code hides the smaller when results are merged."""

    OK = 0
    UNIDENTIFIABLE = 1
    STEP_LIMIT = 2
    NOT_PERIODIC = 3
    NOT_CONVERGED = 4
    UNPHYSIOLOGICAL = 5
    NONFINITE = 6

    @property
    def advice(self) -> str:
        """One sentence: what it means and what to do."""
        return _ADVICE[self]


_ADVICE = {
    Status.OK: "Solved, and every certificate holds.",
    Status.UNIDENTIFIABLE: "The data inform none of the free quantities: add a measurement or fix more of them.",
    Status.STEP_LIMIT: "The step error exceeds its limit: ask for more steps per beat before using the numbers.",
    Status.NOT_PERIODIC: "No steady beat was reached: check heart rate and volumes, or simulate a number of beats.",
    Status.NOT_CONVERGED: "The fit did not settle from any start: use more starts, or look for contradicting values.",
    Status.UNPHYSIOLOGICAL: "A volume or pressure left the range of a living circulation: check units and values.",
    Status.NONFINITE: "The numbers overflowed: the parameters lie outside what the model can run.",
}


def merge(codes: Iterable[Status | int]) -> Status:
    """The status of a whole from its parts: the code of highest precedence (the largest); OK when empty."""
    return Status(max((int(code) for code in codes), default=0))
