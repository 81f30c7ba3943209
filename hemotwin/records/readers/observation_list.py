"""A plain JSON record of one patient: `{"observations": [{"observable", "value", "unit", "method"}, ...]}`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import InputError
from ...core.registry import register
from ..codes import find_name
from ..collect import Collector
from ..reading import Place
from . import Reader
from .json_stream import beginning, elements

__all__ = ["ObservationList"]


@register("reader", "observation_list")
class ObservationList(Reader):
    """Each observation has `observable` (or `name`, `code`), `value`, `unit`, and where known `sd`, `time`, `method`
    (or `modality`) and `condition`. The patient is `patient` of the observation or of the file, else the file's name.
    """

    suffixes = (".json",)

    def accepts(self, path: Path) -> bool:
        if path.suffix.lower() not in self.suffixes:
            return False
        text = beginning(path)
        return '"observations"' in text and '"resourceType"' not in text

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every observation; raises `InputError` for malformed JSON or when there is no observation in it."""
        patient, count = path.stem, 0
        named = False
        for key, value in elements(path):  # the patient may be named after the list
            count += key == "observations"
            if key == "object" and isinstance(value.get("patient"), str | int):
                patient, named = str(value["patient"]), True
        if not named:
            collector.stand_in(patient)
        if not count:
            raise InputError(
                f"{path.name}: `observations` must be a list of readings, each with observable, value, unit."
            )
        number = 0
        for key, value in elements(path):
            if key == "observations":
                number += 1
                _offer(collector, Place(f"{path.name} observation ", number), patient, value)


def _offer(collector: Collector, place: Place, patient: str, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        shown = f"({type(entry).__name__})"
        collector.set_aside(place, patient, "observation", shown, "", "not an object with observable and value")
        return
    field = next((entry[key] for key in ("observable", "name", "code") if isinstance(entry.get(key), str)), "")
    own = entry.get("patient")
    who = str(own) if isinstance(own, str | int) else patient
    if entry.get("value") is None:
        collector.set_aside(place, who, field, "", _text(entry, "unit"), "there is no value: leave it out, or give one")
        return
    collector.offer(
        place, who, find_name(field), field, entry["value"], _text(entry, "unit"), sd=entry.get("sd"),
        time=_text(entry, "time") or None, modality=_text(entry, "method") or _text(entry, "modality"),
        condition=_text(entry, "condition") or None,
    )  # fmt: skip


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value.strip() if isinstance(value, str) else ""
