"""What FHIR R4 resources say was given: MedicationAdministration and DeviceUseStatement.

A prescription (MedicationRequest, MedicationStatement) says what was ordered or taken at home, which is no state of the
circulation at a moment, and is left. Source of the format: HL7 FHIR R4, https://hl7.org/fhir/R4/
medicationadministration.html and deviceusestatement.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..exposures import Exposures
from .json_values import list_of, object_of, text_of

__all__ = ["GIVEN", "may_hold", "take_resource"]

GIVEN = ("MedicationAdministration", "DeviceUseStatement")
_POINTED_TO = ("Medication", "Device")
_MARKS = tuple(f'"{kind}"'.encode() for kind in (*GIVEN, *_POINTED_TO))
_NOT_GIVEN = ("not-done", "entered-in-error", "intended")
_RUNNING = ("in-progress", "active")
_BLOCK = 1 << 20


def may_hold(path: Path) -> bool:
    """Whether a file names any of these resources, by its bytes."""
    longest, before = max(map(len, _MARKS)), b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = before + block
            if any(mark in text for mark in _MARKS):
                return True
            before = text[-longest:]
    return False


def take_resource(exposures: Exposures, resource: Mapping[str, Any], patient: str) -> None:
    """One resource: what was given to the patient and when, or the words of a Medication or Device.

    What was not done, entered in error or only intended is left. Without an end an administration is taken to last to
    the end of the day of its start, one in progress and a device in use to go on.
    """
    kind, status = resource.get("resourceType"), resource.get("status")
    if kind in _POINTED_TO:
        for words in _words(resource):
            exposures.call(f"{kind}/{resource.get('id')}", words)
        return
    if status in _NOT_GIVEN:
        exposures.met(str(kind))
        return
    of_drug = kind == "MedicationAdministration"
    reference = object_of(resource.get("medicationReference" if of_drug else "device"))
    words = [text_of(reference.get("display")), *_concept_words(resource.get("medicationCodeableConcept"))]
    pointer = text_of(reference.get("reference"))
    for inner in list_of(resource.get("contained")):
        if isinstance(inner, Mapping) and pointer == f"#{inner.get('id')}":
            words += _words(inner)
    when = "effective" if of_drug else "timing"
    period = object_of(resource.get(f"{when}Period"))
    named = "/".join(pointer.rstrip("/").split("/")[-2:]) if "/" in pointer else ""
    exposures.add(
        str(kind), patient, words, text_of(resource.get(f"{when}DateTime")) or text_of(period.get("start")),
        text_of(period.get("end")), open_ended=not of_drug or status in _RUNNING, named=named,
    )  # fmt: skip


def _words(resource: Mapping[str, Any]) -> list[str]:
    """The words of a Medication (code, form) or a Device (type, names)."""
    names = [text_of(one.get("name")) for one in list_of(resource.get("deviceName")) if isinstance(one, Mapping)]
    return [*_concept_words(resource.get("code")), *_concept_words(resource.get("type")), *names]


def _concept_words(concept: Any) -> list[str]:
    data = object_of(concept)
    shown: Iterable[str] = (text_of(object_of(one).get("display")) for one in list_of(data.get("coding")))
    return [words for words in (text_of(data.get("text")), *shown) if words]
