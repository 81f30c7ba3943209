"""The state that an OMOP measurement was taken in: exposures to drugs and devices that change the circulation.

Which drugs and devices those are is data in configs/codes/visits.yaml; all others leave a patient at rest. Source of
the model: OHDSI, https://ohdsi.github.io/CommonDataModel/cdm54.html
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from ...core.errors import InputError
from ..values import moment
from ..visit import DAY, acting

__all__ = ["EXPOSURES", "Exposures"]

EXPOSURES_LIMIT = 1_000_000  # stretches on a drug or device, of all patients together
EXPOSURES = {
    "drug_exposure": (
        "person_id", "drug_concept_id", "drug_source_value", "drug_exposure_start_date", "drug_exposure_start_datetime",
        "drug_exposure_end_date", "drug_exposure_end_datetime",
    ),
    "device_exposure": (
        "person_id", "device_concept_id", "device_source_value", "device_exposure_start_date",
        "device_exposure_start_datetime", "device_exposure_end_date", "device_exposure_end_datetime",
    ),
}  # fmt: skip


class Exposures:
    """When each person was on what; `counts` are rows and acting rows by table."""

    def __init__(self) -> None:
        self._stretches: dict[str, dict[str, list[tuple[float, float]]]] = {}
        self.counts: dict[str, list[int]] = {}
        self._held = 0

    def take(self, table: str, rows: Iterator[tuple[Any, ...]], name_of: Callable[[Any], str]) -> None:
        """The rows of one exposure table, with the columns of `EXPOSURES` as (person, concept, words, day and time of
        the start, day and time of the end) in text.

        An exposure lasts to the end of its last day where no time is told. A drug without an end is given on the day of
        its start, a device without one stays. Raises `InputError` past a million stretches.
        """
        count = self.counts.setdefault(table, [0, 0])
        for person, concept, words, *times in rows:
            count[0] += 1
            word = acting(name_of(concept)) or acting(words)
            start = _first(times[1], times[0])
            if not word or start is None:
                continue
            count[1] += 1
            end = _last(times[3], times[2])
            if end is None:
                end = float("inf") if table == "device_exposure" else _last(times[1][:10], times[0][:10]) or start
            self._held += 1
            if self._held > EXPOSURES_LIMIT:
                raise InputError(f"{table}: more than {EXPOSURES_LIMIT:,} exposures that matter: export some patients.")
            self._stretches.setdefault(person, {}).setdefault(word, []).append((start, max(start, end)))

    def close(self) -> None:
        """Join stretches that overlap, so that a moment is found at once."""
        for by_word in self._stretches.values():
            for word, stretches in by_word.items():
                by_word[word] = _joined(sorted(stretches))

    def condition(self, person: str, time: str | None) -> str | None:
        """What the person was on, as in "dobutamine + impella"; None for nothing, or without a time.

        A measurement with a day alone is taken to be on what was given that day.
        """
        by_word = self._stretches.get(person)
        when = moment(time) if by_word else None
        if not by_word or when is None:
            return None
        until = when + DAY - 1.0 if len(time or "") == 10 else when
        met = sorted(word for word, stretches in by_word.items() if _meets(stretches, when, until))
        return " + ".join(met) or None


def _first(time: str, day: str) -> float | None:
    return moment(time or day)


def _last(time: str, day: str) -> float | None:
    """The end of an exposure: of its day where it has no time."""
    text = time or day
    when = moment(text)
    return when + DAY - 1.0 if when is not None and len(text) == 10 else when


def _joined(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for start, end in stretches:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _meets(stretches: list[tuple[float, float]], when: float, until: float) -> bool:
    at = bisect_right(stretches, (until, float("inf"))) - 1
    return at >= 0 and stretches[at][1] >= when
