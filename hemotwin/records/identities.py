"""Which patients of a record are one person by its own words: an identifier that two share, a link between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Identities", "identifier_key", "patient_key", "patient_name"]

NAME_WIDTH = 64  # characters that a patient's name keeps


def patient_name(written: object) -> str:
    """A patient's name as it is kept: at most 64 characters, with a mark in place of what does not print."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(written).strip()[:NAME_WIDTH])


def patient_key(name: str) -> str:
    """What `Identities` knows a patient by."""
    return f"patient {patient_name(name)}"


def identifier_key(system: str, value: str) -> str:
    """What `Identities` knows an identifier by; one without a system is taken to be of one system with all others.

    Two people taken for one make a crowd seem smaller than it is, which harms nobody; the other way round does.
    """
    return f"identifier {system}|{value}"


class Identities:
    """Keys of one person, from any number of sources in any order: what two of them share makes them one."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def join(self, keys: Sequence[str]) -> None:
        """All of `keys` are one person's; see `patient_key` and `identifier_key`."""
        for key in keys:
            a, b = self._end(keys[0]), self._end(key)
            self._first[max(a, b)] = min(a, b)

    def persons(self, patients: Iterable[str]) -> dict[str, str]:
        """By patient, the first of `patients` who is the same person; those who are nobody else are left out."""
        groups: dict[str, list[str]] = {}
        for patient in patients:
            if (key := patient_key(patient)) in self._first:
                groups.setdefault(self._end(key), []).append(patient)
        return {patient: group[0] for group in groups.values() if len(group) > 1 for patient in group}

    def _end(self, key: str) -> str:
        """The key at the end of a chain of joined ones, which is shortened on the way."""
        self._first.setdefault(key, key)
        while self._first[key] != key:
            self._first[key] = self._first[self._first[key]]
            key = self._first[key]
        return key
