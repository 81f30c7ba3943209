"""Whose a record is and what it may be used for: steward, licence, consent and policy, from a file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.configs import load_yaml
from ..core.errors import InputError, nearest
from .consent import ConsentRegister, load_register
from .policy import Policy, load_policy, purpose_of, purposes
from .values import moment

__all__ = ["Governance", "load_governance", "tags_of"]

_KEYS = ("steward", "licence", "policy", "consent")


@dataclass(frozen=True)
class Governance:
    """Steward (who answers for the record), licence (SPDX identifier or words), policy and consent register.

    Without a policy everything may be read, and nothing is said of what may leave.
    """

    steward: str = ""
    licence: str = ""
    policy: Policy | None = None
    register: ConsentRegister = field(default_factory=ConsentRegister)

    def refusal(
        self, patient: str, observable: str, time: str | None, tags: frozenset[str] | None = None
    ) -> str | None:
        """Why this reading may not be read, in words without any of it; None when it may.

        `tags` are the purposes that the record itself permits for this reading, None when it says nothing.
        """
        if self.policy is None:
            return None
        purpose = self.policy.purpose
        permitted = self.permits(purpose, patient, observable, time, tags)
        if permitted is False and self.register.decision(patient, purpose, observable, moment(time)) is not False:
            named = ", ".join(name for name in purposes() if name in (tags or ())) or "no purpose that is known"
            return f"its consent permits {named}, and {purpose}, the policy's purpose, is not among them: not read"
        return _words(permitted, self.policy.ingest_consent, purpose)

    def permits(
        self, purpose: str, patient: str, observable: str, time: str | None, tags: frozenset[str] | None = None
    ) -> bool | None:
        """Whether a purpose is permitted (True), denied (False) or not spoken of (None); a denial wins."""
        said = [
            self.register.decision(patient, purpose, observable, moment(time)),
            None if tags is None else purpose in tags,
        ]
        return False if False in said else True if True in said else None

    def consent(
        self, patient: str, observable: str, time: str | None, tags: frozenset[str] | None = None
    ) -> tuple[str, ...]:
        """Every purpose that is permitted for a reading."""
        return tuple(p for p in purposes() if self.permits(p, patient, observable, time, tags))

    def facts(self) -> dict[str, Any]:
        """What travels with every twin: steward, licence, policy and purpose, as far as they are known."""
        known = {"steward": self.steward, "licence": self.licence}
        if self.policy is not None:
            known |= {"policy": self.policy.name, "purpose": self.policy.purpose}
        return {name: value for name, value in known.items() if value}


def load_governance(record: Path, given: str | Path | Mapping[str, Any] | None = None) -> Governance:
    """The governance given (a YAML file or its data), or the file beside the record, or none.

    Beside a file that is `<stem>_governance.yaml`, in a folder `governance.yaml`. Keys: steward, licence, policy (a
    name in configs/policies/ or a file) and consent (a register as CSV, or its rows); files are found from where it
    stands.
    Raises `InputError` naming the file and the key.
    """
    if given is None:
        beside = record / "governance.yaml" if record.is_dir() else record.with_name(f"{record.stem}_governance.yaml")
        if not beside.is_file():
            return Governance()
        given = beside
    if isinstance(given, Mapping):
        return _governance(given, Path(), "the governance")
    path = Path(given)
    if not path.is_file():
        raise InputError(f"governance file `{path}` is not there: give the path of a YAML file.")
    data = load_yaml(path)
    consent = data.get("consent") if isinstance(data, Mapping) else None
    if (
        record.is_dir()
        and isinstance(consent, str)
        and (path.parent / consent).resolve().is_relative_to(record.resolve())
    ):
        raise InputError(
            f"{path.name}: the consent register `{consent}` stands among the records and would be read as one: move it "
            "out of the folder, or write its rows under `consent`."
        )
    return _governance(data, path.parent, path.name)


def _governance(data: Any, folder: Path, where: str) -> Governance:
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: must hold some of {', '.join(_KEYS)}, but it is {type(data).__name__}.")
    for key in data:
        if key not in _KEYS:
            close = nearest(str(key), _KEYS)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{where}: unknown key `{key}`; known keys are {', '.join(_KEYS)}{hint}")
    policy, consent = data.get("policy"), data.get("consent")
    if isinstance(policy, str) and policy.endswith((".yaml", ".yml")):
        policy = folder / policy
    register = load_register(folder / consent if isinstance(consent, str) else consent or ())
    chosen = None if policy is None else load_policy(policy)
    return Governance(_text(data, "steward", where), _text(data, "licence", where), chosen, register)


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{where}: `{key}` must be text, but got {value!r}.")
    return (value or "").strip()


def _words(permitted: bool | None, consent: str, purpose: str) -> str | None:
    if permitted is False:
        return f"consent to {purpose} is denied or withdrawn: not read"
    if permitted is None and consent == "required":
        return f"no consent to {purpose} is recorded, and the policy asks for it: not read"
    return None


def tags_of(text: str | None) -> frozenset[str] | None:
    """The purposes that a record's own words permit, split at commas, semicolons and blanks; None without any word.

    A word that names no purpose permits nothing.
    """
    words = [word for word in (text or "").replace(",", " ").replace(";", " ").split() if word]
    return frozenset(found for word in words if (found := purpose_of(word))) if words else None
