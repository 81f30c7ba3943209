"""A twin as a FHIR R4 bundle: a DiagnosticReport over Observations, every one marked as predicted by a model.

Resources: HL7 FHIR R4 (4.0.1), https://hl7.org/fhir/R4/observation.html, diagnosticreport.html, provenance.html.
Nothing here is final: Observations and report are `preliminary`, and their device is the software.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from ..calibration.certificate import warning
from ..calibration.twin import CalibratedTwin
from ..core.disclaimer import DISCLAIMER
from ..prediction.predict import Prediction
from ..records.codes import codings_of, observables
from ..records.marks import MARK_SYSTEM, PREDICTED
from ..records.reading import show

__all__ = ["fhir_bundle", "ucum"]

_ADDRESS = {"loinc": "http://loinc.org", "snomed": "http://snomed.info/sct"}
_UCUM = "http://unitsofmeasure.org"
_STATISTIC, _QUANTITY = "urn:hemotwin:statistic", "urn:hemotwin:quantity"
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_WORDS = {"dyn s/cm5": "dyn.s/cm5", "Wood units": "[wood'U]"}
_TAG = {"system": MARK_SYSTEM, "code": "predicted", "display": f"{PREDICTED}. {DISCLAIMER}"}


def fhir_bundle(twin: CalibratedTwin, predictions: Sequence[Prediction] = ()) -> dict[str, Any]:
    """A collection bundle as plain data: Patient, Device, Observations, DiagnosticReport, Provenance.

    An Observation holds the value at the best mode; its components are the bounds of the 95 % interval and, of a
    what-if, baseline and change. Values that are no finite number are given as absent. The same twin gives the same
    bundle.
    """
    found = _Bundle(twin)
    found.add("Patient", found.patient, _patient(twin, found.patient))
    found.add("Device", "device", _device(twin))
    results = []
    for number, resource in enumerate(_observations(twin, predictions), 1):
        identity = f"observation-{number}"
        found.add("Observation", identity, found.about(resource))
        results.append(found.reference("Observation", identity))
    found.add("DiagnosticReport", "report", found.about(_report(twin, predictions, results), device=False))
    date = twin.provenance.get("date")
    if date:  # which FHIR asks of a Provenance
        found.add("Provenance", "provenance", _provenance(twin, found, date))
    return {"resourceType": "Bundle", "type": "collection", "meta": {"tag": [_TAG]}, "entry": found.entries,
            **({"timestamp": date} if date else {})}  # fmt: skip


def ucum(unit: str) -> str:
    """A unit as it is shown to people, in UCUM."""
    return _WORDS.get(unit) or unit.replace("mmHg", "mm[Hg]").replace(" ", ".") or "1"


class _Bundle:
    """Entries with addresses that follow from the twin, so that references hold and nothing is random."""

    def __init__(self, twin: CalibratedTwin):
        mark = f"{twin.patient}\0{twin.provenance.get('record_sha256')}\0{twin.provenance.get('date')}"
        self._space = uuid.UUID(hashlib.sha256(mark.encode()).hexdigest()[:32])
        self.patient = twin.patient if _ID.fullmatch(twin.patient) else "patient"
        self.entries: list[dict[str, Any]] = []

    def add(self, kind: str, identity: str, resource: dict[str, Any]) -> None:
        meta = {"meta": {"tag": [_TAG]}} if kind in ("Observation", "DiagnosticReport") else {}
        whole = {"resourceType": kind, "id": identity, **meta, **resource}
        self.entries.append({"fullUrl": self._address(kind, identity), "resource": whole})

    def reference(self, kind: str, identity: str) -> dict[str, str]:
        return {"reference": self._address(kind, identity)}

    def about(self, resource: dict[str, Any], device: bool = True) -> dict[str, Any]:
        made = {**resource, "subject": self.reference("Patient", self.patient)}
        return made | ({"device": self.reference("Device", "device")} if device else {})

    def _address(self, kind: str, identity: str) -> str:
        return f"urn:uuid:{uuid.uuid5(self._space, f'{kind}/{identity}')}"


def _patient(twin: CalibratedTwin, identity: str) -> dict[str, Any]:
    named = {"identifier": [{"system": "urn:hemotwin:patient", "value": twin.patient}]}
    sex = twin.covariates.get("sex")
    return named | ({"gender": sex} if sex in ("male", "female") else {})


def _device(twin: CalibratedTwin) -> dict[str, Any]:
    version = str(twin.provenance.get("hemotwin") or "not recorded")
    return {
        "deviceName": [{"name": "hemotwin", "type": "model-name"}],
        "type": {"text": f"software: lumped-parameter model of the circulation ({twin.circulation})"},
        "version": [{"value": version}],
        "note": [{"text": DISCLAIMER}],
    }


def _observations(twin: CalibratedTwin, predictions: Sequence[Prediction]) -> Iterator[dict[str, Any]]:
    care = _care(twin)
    for r in twin.fit:
        words = f"What the twin says of a reading ({r.modality}, measured {show(r.shown)} {r.unit}): {r.verdict}.{care}"
        yield _observation(_code(r.observable, r.label, r.modality), r.fitted, r.unit, (r.low, r.high), words)
    for u in twin.unmeasured:
        words = f"What the twin says of a quantity that was not measured.{care}"
        yield _observation(_code(u.observable, u.label), u.value, u.unit, (u.low, u.high), words)
    for q in twin.quantities:
        words = f"A quantity of the model, {q.verdict} (posterior over prior sd {q.contraction:.2g}).{care}"
        code = {"coding": [{"system": _QUANTITY, "code": q.name}], "text": q.label}
        yield _observation(code, q.value, q.unit, (q.low, q.high), words)
    for one in (p for p in predictions if p.patient == twin.patient):
        for r in one.rows:
            words = f"Predicted for the what-if: {one.label}.{_care(one)}"
            whole = _observation(_code(r.observable, r.label), r.after, r.unit, (r.after_low, r.after_high), words)
            for name in ("baseline", "change"):
                for end in ("", "_low", "_high"):
                    whole["component"].append(_component(f"{name}{end}", getattr(r, f"{name}{end}"), r.unit))
            yield whole


def _care(answer: CalibratedTwin | Prediction) -> str:
    """What is wrong with the numbers, behind a sentence; nothing where they are sound."""
    told = answer.warning if isinstance(answer, Prediction) else warning(answer.status, answer.certificate)
    return f" {told}" if told else ""


def _observation(
    code: dict[str, Any], value: float | None, unit: str, span: tuple[float | None, float | None], words: str
) -> dict[str, Any]:
    ends = (("interval-95_low", span[0]), ("interval-95_high", span[1]))
    return {
        "status": "preliminary",
        "category": [{"text": PREDICTED}],
        "code": code,
        **_value(value, unit),
        "method": {"text": "computed by hemotwin from other readings; not measured"},
        "note": [{"text": f"{words} {PREDICTED.capitalize()}. {DISCLAIMER}"}],
        "component": [_component(name, end, unit) for name, end in ends if end is not None],
    }


def _component(name: str, value: float | None, unit: str) -> dict[str, Any]:
    code = name.replace("_", "-")
    return {"code": {"coding": [{"system": _STATISTIC, "code": code}], "text": code.replace("-", " ")},
            **_value(value, unit)}  # fmt: skip


def _value(value: float | None, unit: str) -> dict[str, Any]:
    if value is None or not math.isfinite(value):
        code = {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-a-number"}
        return {"dataAbsentReason": {"coding": [code]}}
    return {"valueQuantity": {"value": float(f"{value:.6g}"), "unit": unit, "system": _UCUM, "code": ucum(unit)}}


def _code(name: str, label: str, modality: str | None = None) -> dict[str, Any]:
    known = codings_of(name, modality) if name in observables() else []
    coding = [{"system": _ADDRESS[system], "code": code} for system, code in known if system in _ADDRESS]
    return {"coding": [*coding, {"system": "urn:hemotwin:observable", "code": name}], "text": label}


def _report(twin: CalibratedTwin, predictions: Sequence[Prediction], results: list[dict[str, str]]) -> dict[str, Any]:
    asked = [f"What-if: {one.label}.{_care(one)}" for one in predictions if one.patient == twin.patient]
    drawn = [twin.sampling.sentence] if twin.sampling is not None else []
    said = [DISCLAIMER, f"{PREDICTED.capitalize()}.", f"Status {twin.status.name}: {twin.status.advice}",
            *twin.conflicts, *twin.assumptions, *asked, twin.certificate.sentence, *drawn]  # fmt: skip
    date = twin.provenance.get("date")
    return {
        "status": "preliminary",
        "code": {
            "coding": [{"system": "urn:hemotwin:report", "code": "twin"}],
            "text": "calibrated twin of the circulation",
        },
        **({"issued": date} if date else {}),
        "result": results,
        "conclusion": " ".join(sentence for sentence in said if sentence),
    }


def _provenance(twin: CalibratedTwin, made: _Bundle, date: str) -> dict[str, Any]:
    known = twin.provenance
    steward = {"onBehalfOf": {"display": known["steward"]}} if known.get("steward") else {}
    sources = [("record", known.get("record_sha256")), ("evidence", known.get("evidence_sha256"))]
    entities = [{"role": "source", "what": {"identifier": {"system": f"urn:hemotwin:{name}:sha256", "value": value}}}
                for name, value in sources if value]  # fmt: skip
    if known.get("licence"):
        entities.append({"role": "source", "what": {"display": f"licence of the record: {known['licence']}"}})
    return {
        "target": [made.reference("DiagnosticReport", "report")],
        "recorded": date,
        "agent": [{"type": {"text": "computed by"}, "who": made.reference("Device", "device"), **steward}],
        **({"entity": entities} if entities else {}),
    }
