"""How a computation ended, per patient: run-time trouble is data, never an exception."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ["Status", "merge"]


class Status(enum.IntEnum):
    """One code per patient. Files hold the numbers, so a code keeps its own; `precedence` orders them."""

    OK = 0
    UNIDENTIFIABLE = 1
    STEP_LIMIT = 2
    NOT_PERIODIC = 3
    NOT_CONVERGED = 4
    UNPHYSIOLOGICAL = 5
    NONFINITE = 6
    ALTERNANS = 7
    BEAT_CYCLE = 8
    WINDOW_MEAN = 9
    DRIFTING = 10
    DRAWS_UNRELIABLE = 11

    @property
    def advice(self) -> str:
        """One sentence: what it means and what to do."""
        return _ADVICE[self]

    @property
    def words(self) -> str:
        """Its name in words, for tables and sentences."""
        return self.name.replace("_", " ").lower()

    @property
    def precedence(self) -> int:
        """Rank when results are merged: the higher hides the lower."""
        return _PRECEDENCE.index(self)


_ADVICE = {
    Status.OK: "Solved, and every certificate holds.",
    Status.UNIDENTIFIABLE: "The data inform none of the free quantities: add a measurement or fix more of them.",
    Status.STEP_LIMIT: "The step error exceeds its limit: where you set the steps, set more; otherwise up to eight "
    "times as many were tried, so use the numbers only as far as the certificate says.",
    Status.NOT_PERIODIC: "No steady beat was reached: check heart rate and volumes, or simulate a number of beats.",
    Status.NOT_CONVERGED: "The fit did not settle from any start: use more starts, or look for contradicting values.",
    Status.UNPHYSIOLOGICAL: "A volume or pressure left the range of a living circulation: check units and values.",
    Status.NONFINITE: "The numbers overflowed: the parameters lie outside what the model can run.",
    Status.ALTERNANS: "Alternans: two different beats take turns, so read both of them; no single beat is steady.",
    Status.BEAT_CYCLE: "Beats repeat in a cycle of several, as with breathing: read the cycle's mean and its extremes.",
    Status.WINDOW_MEAN: "Beats never repeat: values are means over a stated window of beats, read with their spread.",
    Status.DRIFTING: "A slow process is still at work for longer than a reading lasts: say how many beats after the "
    "change, or wait three of its time constants.",
    Status.DRAWS_UNRELIABLE: "The draws stand for the posterior only roughly: take the intervals with care, or "
    "calibrate again with more draws.",
}

_PRECEDENCE = (
    Status.OK, Status.UNIDENTIFIABLE, Status.DRAWS_UNRELIABLE, Status.STEP_LIMIT, Status.DRIFTING, Status.BEAT_CYCLE,
    Status.ALTERNANS, Status.WINDOW_MEAN, Status.NOT_PERIODIC, Status.NOT_CONVERGED, Status.UNPHYSIOLOGICAL,
    Status.NONFINITE,
)  # fmt: skip


def merge(codes: Iterable[Status | int]) -> Status:
    """The status of a whole from its parts: the code of highest precedence; OK when empty."""
    return max((Status(int(code)) for code in codes), key=lambda code: code.precedence, default=Status.OK)
