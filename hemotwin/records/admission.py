"""The door of the records: a reading that may not be used for the purpose at hand is never seen by what follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from .births import BIRTH_DATE, FIELD
from .codes import Target
from .collect import Collector
from .governance import Governance, tags_of
from .policy import purposes
from .reading import Place
from .record import Measurement, MeasurementSet, Records

__all__ = ["AdmittingCollector"]

REFUSED = "(withheld)"


class AdmittingCollector(Collector):
    """A collector that asks the policy first.

    A reading without permission is set aside before its value is looked at, so that duplicates, derived values, ages
    and contradictions come out as if it had never been recorded; its row, patient and the reason alone are kept.
    """

    def __init__(self, governance: Governance, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.governance = governance
        self._registered = len(governance.register) > 0
        self._tags: dict[str, frozenset[str]] = {}

    def born(self, place: Place, patient: str, date: object, consent: str | None = None) -> None:
        """A birth date, as the observable age; `consent` are the purposes that the record itself permits."""
        tags = tags_of(consent)
        refusal = self.governance.refusal(_name(patient), "age", None, tags)
        if refusal:
            self.set_aside(place, patient, FIELD, REFUSED, "", refusal)
            return
        if tags is not None:
            self._tags[str(place)] = tags
        super().born(place, patient, date, consent)

    def offer(
        self, place: Place, patient: str, target: Target | None, field: str, text: Any, unit: str | None, **more: Any
    ) -> None:
        """One value; `consent` among what is known of it are the purposes that the record itself permits, as text."""
        if target is not None and target.name == BIRTH_DATE:  # judged as an age, by `born`
            super().offer(place, patient, target, field, text, unit, **more)
            return
        tags = tags_of(more.get("consent"))
        if target is not None and target.role != "recognised":
            refusal = self.governance.refusal(_name(patient), target.name, more.get("time"), tags)
            if refusal:
                self.set_aside(place, patient, target.name, REFUSED, "", refusal)
                return
            if tags is not None:
                self._tags[str(place)] = tags
        super().offer(place, patient, target, field, text, unit, **more)

    def permits(self, place: Place, patient: str, observable: str, time: str | None) -> bool:
        """Whether the register or the record's own words permit any purpose for a reading."""
        if not self._registered and not self._tags:
            return False
        return bool(self.governance.consent(patient, observable, time, self._tags.get(str(place))))

    def records(self, source: Path, sha256: str) -> Records:
        """The records, every measurement with the purposes that it may be used for."""
        made = super().records(source, sha256)
        made.governance = self.governance
        if len(self.governance.register) or self._tags:
            made.replace_sets([self._tagged(one) for one in made])
        return made

    def _tagged(self, one: MeasurementSet) -> MeasurementSet:
        own = {id(m): self._consent(m) for m in one.measurements if m.kind != "recovered"}
        # a value given back by others may be used for what all of them may be used for
        common = tuple(p for p in purposes() if own and all(p in permitted for permitted in own.values()))
        tagged = tuple(dataclasses.replace(m, consent=own.get(id(m), common)) for m in one.measurements)
        return dataclasses.replace(one, measurements=tagged)

    def _consent(self, m: Measurement) -> tuple[str, ...]:
        """What a reading may be used for; one made of several rows for what all of them may be used for."""
        origins = (m.origin, *self.joined.get(m.origin, ()))
        given = [self.governance.consent(m.patient, m.observable, m.time, self._tags.get(one)) for one in origins]
        return tuple(purpose for purpose in given[0] if all(purpose in one for one in given))


def _name(patient: str) -> str:
    return str(patient).strip()[:64]
