"""When each patient was on which drug or device that changes the circulation, told by any source of the record.

What was given is read before anything that was measured, so that a reading finds its state whatever file it stands in.
Which drugs and devices those are is data in configs/codes/visits.yaml; all others leave a patient at rest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from ..core.errors import InputError
from .values import moment, plain_time
from .visit import DAY, acting

__all__ = ["EXPOSURES_LIMIT", "Exposures", "ExposuresLimit"]

EXPOSURES_LIMIT = 1_000_000  # stretches on a drug or device, of all patients together

Stretch = tuple[float, float]  # s since 1970


class ExposuresLimit(InputError):
    """More exposures than are held; no part of the record is read then, since states would be missing."""


class Exposures:
    """Stretches of time on a drug or device, by patient.

    `source` names the one that is being read; `counts` are the exposures that were met and those that act, by source
    and kind; `unread` says why the exposures of a source could not be read.
    """

    def __init__(self) -> None:
        self._stretches: dict[str, dict[str, list[Stretch]]] = {}
        self._pending: list[tuple[tuple[str, str], str, str, Stretch]] = []
        self._names: dict[str, str] = {}
        self._held = 0
        self.source = ""
        self.counts: dict[tuple[str, str], list[int]] = {}
        self.unread: dict[str, str] = {}

    def add(
        self, kind: str, patient: str, words: Iterable[str], start: str, end: str, *, open_ended: bool, named: str = ""
    ) -> None:
        """One exposure: the first of `words` that names something acting says to what.

        `start` and `end` are times or days; an end without a time is that of its day, and an exposure without an end
        goes on where it is `open_ended`, or lasts to the end of the day of its start. `named` points to the words by
        which another part of the record calls it (`call`). Raises `ExposuresLimit` past a million.
        """
        count = self.met(kind)
        word, begin = next((found for text in words if (found := acting(text))), ""), moment(plain_time(start))
        if begin is None or not (word or named):
            return
        last = _end(plain_time(end))
        if last is None:
            last = float("inf") if open_ended else _end(str(plain_time(start))[:10]) or begin
        self._held += 1
        if self._held > EXPOSURES_LIMIT:
            raise ExposuresLimit(f"{kind}: more than {EXPOSURES_LIMIT:,} exposures that matter: export some patients.")
        stretch = begin, max(begin, last)
        if word:
            count[1] += 1
            self._put(patient, word, stretch)
        else:
            self._pending.append(((self.source, kind), patient, named, stretch))

    def met(self, kind: str) -> list[int]:
        """Count one exposure, acting or not; returns the counts of its source and kind."""
        count = self.counts.setdefault((self.source, kind), [0, 0])
        count[0] += 1
        return count

    def call(self, name: str, words: str) -> None:
        """The words for a drug or device that exposures point to by name."""
        if word := acting(words):
            self._names[name] = word

    def close(self) -> None:
        """Find what was pointed to, and join stretches that overlap, so that a moment is found at once."""
        for counted, patient, named, stretch in self._pending:
            if word := self._names.get(named):
                self.counts[counted][1] += 1
                self._put(patient, word, stretch)
        self._pending.clear()
        for by_word in self._stretches.values():
            for word, stretches in by_word.items():
                by_word[word] = _joined(sorted(stretches))

    def condition(self, patient: str, time: str | None) -> str | None:
        """What the patient was on, as in "dobutamine + impella"; None for nothing, or without a time.

        A measurement with a day alone is taken to be on what was given that day.
        """
        by_word = self._stretches.get(patient)
        when = moment(time) if by_word else None
        if not by_word or when is None:
            return None
        until = when + DAY - 1.0 if len(time or "") == 10 else when
        met = sorted(word for word, stretches in by_word.items() if _meets(stretches, when, until))
        return " + ".join(met) or None

    def told(self, kind: str) -> str:
        """The reason by which the account names exposures of this source that were read."""
        count, on = self.counts.get((self.source, kind), (0, 0))
        return (
            "holds no measurement: read for the state that measurements were taken in "
            f"({on} of {count} exposures change the circulation)"
        )

    def _put(self, patient: str, word: str, stretch: Stretch) -> None:
        self._stretches.setdefault(patient, {}).setdefault(word, []).append(stretch)


def _end(text: str | None) -> float | None:
    """The end of an exposure: of its day where it has no time."""
    when = moment(text)
    return when + DAY - 1.0 if when is not None and len(text or "") == 10 else when


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    found: list[Stretch] = []
    for start, end in stretches:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _meets(stretches: list[Stretch], when: float, until: float) -> bool:
    at = bisect_right(stretches, (until, float("inf"))) - 1
    return at >= 0 and stretches[at][1] >= when
