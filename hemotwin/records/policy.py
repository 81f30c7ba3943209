"""What may be read and what may leave, for one purpose: a policy file, checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import InputError, UnknownNameError, nearest
from .anonymity import check_steps

__all__ = ["FORMATS", "Policy", "load_policy", "purpose_of", "purposes"]

FORMATS = ("fhir", "csv", "parquet", "rocrate")
_CONSENT, _PSEUDONYMS = ("required", "assumed"), ("required", "optional")
_KEYS = {
    "": ("purpose", "ingest", "export"),
    "ingest": ("consent",),
    "export": ("consent", "formats", "pseudonyms", "k", "round", "licences"),
}


@dataclass(frozen=True)
class Policy:
    """For one purpose: whether consent must be there or may be assumed, and the conditions of an export.

    `k` people must share what `rounding` leaves of sex, age, body size and times; `licences` are SPDX identifiers that
    permit passing on, None for any.
    """

    name: str
    purpose: str
    ingest_consent: str = "required"
    export_consent: str = "required"
    formats: tuple[str, ...] = FORMATS
    pseudonyms: str = "required"
    k: int = 5
    rounding: Mapping[str, float | None] = field(default_factory=dict)
    licences: tuple[str, ...] | None = None


def purposes() -> dict[str, str]:
    """Every purpose with its label."""
    return {name: entry["label"] for name, entry in _purposes().items()}


@lru_cache(maxsize=1024)
def purpose_of(text: str) -> str | None:
    """The purpose that a word, an HL7 purpose-of-use code or a DUO term names; None when it is not known."""
    word = text.strip().lower()
    for name, entry in _purposes().items():
        if word in {str(one).lower() for key in ("words", "hl7", "duo") for one in (*entry.get(key, ()), name)}:
            return name
    return None


def load_policy(name: str | Path) -> Policy:
    """A policy by its name in configs/policies/ or the path of a YAML file.

    Raises `InputError` that names the file, the key, what was given and what is allowed: a policy that is misspelt must
    not become one that allows more.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = sorted(one.stem for one in config_path("policies").glob("*.yaml") if one.stem != "purposes")
        if str(name) not in known:
            raise UnknownNameError("policy", name, known)
        path = config_path("policies", f"{name}.yaml")
    return _policy(path.stem, load_yaml(path), path.name)


def _policy(name: str, data: Any, where: str) -> Policy:
    _known_keys(data, "", where)
    purpose = purpose_of(str(data.get("purpose", "")))
    if purpose is None:
        raise InputError(f"{where}: `purpose` must be one of {', '.join(purposes())}, but got {data.get('purpose')!r}.")
    ingest, export = data.get("ingest") or {}, data.get("export") or {}
    _known_keys(ingest, "ingest", where)
    _known_keys(export, "export", where)
    k = export.get("k", 5)
    if type(k) is not int or k < 1:
        raise InputError(f"{where}: `export.k` must be a whole number of at least 1, but got {k!r}.")
    formats = tuple(_words(export.get("formats", list(FORMATS)), f"{where}: `export.formats`"))
    for one in formats:
        _one_of(one, FORMATS, f"{where}: `export.formats`")
    rounding = export.get("round") or {}
    if not isinstance(rounding, Mapping):
        raise InputError(f"{where}: `export.round` must be written as {{age: 5, height: null}}, but got {rounding!r}.")
    check_steps(rounding, f"{where}: `export.round`")
    licences = export.get("licences")
    return Policy(
        name, purpose,
        _one_of(ingest.get("consent", "required"), _CONSENT, f"{where}: `ingest.consent`"),
        _one_of(export.get("consent", "required"), _CONSENT, f"{where}: `export.consent`"),
        formats, _one_of(export.get("pseudonyms", "required"), _PSEUDONYMS, f"{where}: `export.pseudonyms`"), k,
        dict(rounding), None if licences is None else tuple(_words(licences, f"{where}: `export.licences`")),
    )  # fmt: skip


def _known_keys(data: Any, section: str, where: str) -> None:
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: {section or 'the policy'} must hold {', '.join(_KEYS[section])}, but got {data!r}.")
    for key in data:
        if key not in _KEYS[section]:
            close = nearest(str(key), _KEYS[section])
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise InputError(f"{where}: unknown key `{key}`; known keys are {', '.join(_KEYS[section])}{hint}")


def _one_of(word: Any, allowed: tuple[str, ...], where: str) -> str:
    if word not in allowed:
        raise InputError(f"{where} must be one of {', '.join(allowed)}, but got {word!r}.")
    return str(word)


def _words(given: Any, where: str) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise InputError(f"{where} must be a list of words, but got {given!r}.")
    return given


@lru_cache(maxsize=1)
def _purposes() -> dict[str, Any]:
    return load_yaml(config_path("policies", "purposes.yaml"))["purposes"]
