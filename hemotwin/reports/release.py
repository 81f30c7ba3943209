"""Whether twins may leave, by the policy of their purpose, and in which form."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..calibration.twin import CalibratedTwin
from ..core.errors import InputError
from ..records.anonymity import check_anonymity, generalised, smallest_class
from ..records.codes import find_name, info
from ..records.consent import ConsentRegister
from ..records.policy import Policy
from ..records.rows import RowFate
from ..records.values import moment

__all__ = ["released", "smallest_crowd"]

_PSEUDONYM = re.compile(r"S-[a-z2-7]{16}")
_COVARIATES = ("sex", "age", "height", "weight")
_FIELDS = {"gender": "sex", "birthDate": "age"}  # of a FHIR Patient
_ROUNDED = "(rounded)"
_WITHOUT_INDEX = (
    "Values per body surface area are left out: beside the same value without it they would give the exact body size."
)


def released(
    twins: Sequence[CalibratedTwin],
    form: str,
    policy: Policy,
    register: ConsentRegister | None = None,
    name_of: Callable[[str], str] | None = None,
) -> list[CalibratedTwin]:
    """The twins as they may be exported in a form ("fhir", "csv", "parquet", "rocrate"), covariates rounded.

    What would give a rounded covariate back is rounded or left out with it: the rows of the lineage, and values per
    body surface area. k holds over sex, age, body size and steward, which is all of a person that an export shows.


    Consent is asked of every reading and covariate that a twin was made of: a denial in the register, such as a
    withdrawal since the twin was made, stops the export, and a permission is one of the register or the one under which
    the record was read, if that was for the same purpose. `name_of` turns a name in the register into the twin's
    (pseudonyms). Raises `InputError` with what the policy asks for and the fix; of people it names pseudonyms alone.
    """
    if form not in policy.formats:
        raise InputError(f"policy {policy.name} permits {', '.join(policy.formats)}, but `{form}` was asked for.")
    for twin in twins:
        _check_licence(twin, policy)
    if policy.pseudonyms == "required" and not all(_PSEUDONYM.fullmatch(twin.patient) for twin in twins):
        raise InputError(
            f"policy {policy.name} asks for pseudonyms, but {sum(not _PSEUDONYM.fullmatch(t.patient) for t in twins)} "
            f"of {len(twins)} twins have another name: `hemotwin deidentify` the record and calibrate that."
        )
    known = _renamed(register, name_of)
    for twin in twins:
        _check_consent(twin, policy, known)
    leaving = [dataclasses.replace(one, covariates=generalised(one.covariates, policy.rounding)) for one in twins]
    check_anonymity(_shown(leaving), policy.k)
    return [_coarse(one, policy) for one in leaving]


def smallest_crowd(twins: Sequence[CalibratedTwin]) -> int:
    """How many people share the rarest combination of sex, age, body size and steward (k), all as they are."""
    return smallest_class(_shown(twins))


def _shown(twins: Sequence[CalibratedTwin]) -> list[dict[str, Any]]:
    return [{**one.covariates, "site": one.provenance.get("steward")} for one in twins]


def _coarse(twin: CalibratedTwin, policy: Policy) -> CalibratedTwin:
    """A twin, its covariates rounded already, without what would give them back."""
    coarse = dataclasses.replace(twin, rows=tuple(_rounded(row, twin, policy) for row in twin.rows))
    if not policy.rounding.keys() & {"height", "weight", "bsa"}:
        return coarse
    fit = tuple(row for row in twin.fit if not row.observable.endswith("_index"))
    unmeasured = tuple(row for row in twin.unmeasured if not row.observable.endswith("_index"))
    fewer = len(fit) + len(unmeasured) < len(twin.fit) + len(twin.unmeasured)
    covariates = {
        name: value for name, value in twin.covariates.items() if name != "bsa"
    }  # a what-if has no index then
    said = (*twin.assumptions, _WITHOUT_INDEX) if fewer else twin.assumptions
    return dataclasses.replace(coarse, covariates=covariates, assumptions=said, fit=fit, unmeasured=unmeasured)


def _rounded(row: RowFate, twin: CalibratedTwin, policy: Policy) -> RowFate:
    """A row of the record as the lineage may show it: of a rounded covariate the rounded value, or none."""
    found = find_name(row.field)
    name = _FIELDS.get(row.field) or (found.name if found else "")
    if name not in policy.rounding:
        return row
    value = twin.covariates.get(name)
    text = _ROUNDED if value is None or row.field in _FIELDS else value if isinstance(value, str) else f"{value:g}"
    return dataclasses.replace(row, text=text, reason="", unit=row.unit if text == _ROUNDED else info(name).unit)


def _check_licence(twin: CalibratedTwin, policy: Policy) -> None:
    licence = twin.provenance.get("licence")
    if policy.licences is not None and licence not in policy.licences:
        said = f"is {licence!r}" if licence else "is not known: name it in the governance file of the record"
        raise InputError(f"policy {policy.name} permits {', '.join(policy.licences)}, but the licence {said}.")


def _check_consent(twin: CalibratedTwin, policy: Policy, register: ConsentRegister) -> None:
    read_for = twin.provenance.get("purpose") == policy.purpose
    for what, time in _used(twin):
        decided = register.decision(twin.patient, policy.purpose, what, moment(time))
        permitted = decided if decided is not None else True if read_for else None
        if permitted is False:
            raise InputError(
                f"consent to {policy.purpose} is denied or withdrawn for {what} of {_safe(twin.patient)}: calibrate "
                "again under the present register, then export."
            )
        if permitted is None and policy.export_consent == "required":
            raise InputError(
                f"policy {policy.name} asks for consent to {policy.purpose}, but none is known for {what} of "
                f"{_safe(twin.patient)}: give the register with --governance, or read the record under this policy."
            )


def _used(twin: CalibratedTwin) -> list[tuple[str, str | None]]:
    """(observable or covariate, time) of everything that the twin was made of."""
    return [(row.observable, row.time) for row in twin.fit if row.counted] + [
        (name, None) for name in _COVARIATES if name in twin.covariates
    ]


def _renamed(register: ConsentRegister | None, name_of: Any) -> ConsentRegister:
    if register is None:
        return ConsentRegister()
    return register if name_of is None else register.renamed(name_of)


def _safe(patient: str) -> str:
    return patient if _PSEUDONYM.fullmatch(patient) else "a patient"
