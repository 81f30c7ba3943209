"""MATLAB files: readings, tables and pressure traces, by a mapping that says what each variable is, in which unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError, nearest
from ...core.registry import register
from ..collect import Collector
from ..mapping import Column, WideMapping, load_mapping
from ..reading import Place
from ..signal import Channel
from . import Reader
from .mat_variables import variables
from .signals import offer_channels

__all__ = ["Matlab"]

FOLDER_MAPPING = "mapping.yaml"  # one mapping for every MATLAB file of a folder
LONGEST_S = 31 * 86400.0  # s
TRACE = 200  # samples from which a variable may be a pressure trace, for the advice alone
_SIGNAL_KEYS = ("channel", "unit", "rate")


@register("reader", "matlab")
class Matlab(Reader):
    """A .mat file with a mapping beside it (`<stem>_mapping.yaml`, or `mapping.yaml` for all files of a folder).

    `columns` names variables (fields as "data.EDV", columns of a matrix as "signal[2]") and what they are; without
    `patient` the file is one patient, named after it, and each variable one number; with it, `patient` names the
    variable that holds one patient a row and every column is as long. `signals` names pressure traces:
    `signal[1]: {channel: ABP, unit: mmHg, rate: 1000}`, the rate in samples a second or the variable that holds it.
    """

    suffixes = (".mat",)
    takes_mapping = True

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every variable that is mapped; raises `InputError` without a mapping or for a damaged file."""
        held = variables(path)
        beside = path.with_name(FOLDER_MAPPING)
        if mapping is None and beside.is_file():
            mapping = load_mapping(path, beside)
        if mapping is None:
            raise InputError(_no_mapping(path, held))
        given = dict(mapping)
        signals = given.pop("signals", None) or {}
        if not isinstance(signals, Mapping):
            raise InputError(
                f"{path.name}: `signals` in the mapping must name variables, each with channel, unit and rate."
            )
        wide = WideMapping.of(given, path) if given.get("columns") or not signals else WideMapping({}, {})
        patients = _patients(path, wide, held)
        if not patients:
            patients = [path.stem]
            collector.stand_in(path.stem)
        _File(path, collector, held).take(wide, patients, signals)


class _File:
    """One file on its way into the collector."""

    def __init__(self, path: Path, collector: Collector, held: Mapping[str, np.ndarray]):
        self.path, self.collector, self.held = path, collector, held

    def take(self, wide: WideMapping, patients: list[str], signals: Mapping[str, Any]) -> None:
        """Every variable once: its readings, its trace, or the reason why it is left."""
        for patient in patients:
            self.collector.see(patient)
        missing = [name for name in (*wide.columns, *signals) if name not in self.held]
        for number, name in enumerate(missing, 1):
            close = nearest(str(name), self.held)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            place = Place(f"{self.path.name} mapped variable ", number)
            self.collector.set_aside(place, patients[0], str(name), "", "", f"the file has no such variable{hint}")
        roles = {
            *wide.roles.values(),
            *(str(entry.get("rate")) for entry in signals.values() if isinstance(entry, dict)),
        }
        for number, (name, values) in enumerate(self.held.items(), 1):
            column = None if name in roles or name in signals else wide.column(name)
            part_of_mapped = name.partition("[")[0] in {*wide.columns, *signals, *wide.ignored}
            whole_of_mapped = any(str(one).startswith(f"{name}[") for one in (*wide.columns, *signals))
            if column is None or (column.target is None and (part_of_mapped or whole_of_mapped or "[" in name)):
                continue
            self._column(number, name, column, values, wide, patients)
        if signals:
            channels = [self._channel(str(name), entry) for name, entry in signals.items() if name in self.held]
            offer_channels(self.collector, self.path.name, patients[0], channels)

    def _column(
        self, number: int, name: str, column: Column, values: np.ndarray, wide: WideMapping, patients: list[str]
    ) -> None:  # fmt: skip
        texts = [_text(value) for value in values.flat] if values.size == len(patients) else []
        if column.target is None or not texts:
            shown = f"{' x '.join(map(str, values.shape))} values" if values.size != 1 else _text(values.flat[0])
            wanted = f"{len(patients)} for {len(patients)} patients" if len(patients) > 1 else "one for one patient"
            reason = column.problem or f"the variable holds {values.size} values where there must be {wanted}"
            place = Place(f"{self.path.name} variable ", number, f" {name[:60]}")
            self.collector.set_aside(place, patients[0], name, shown, column.unit, reason)
            return
        when = self.held.get(wide.roles.get("time", ""))
        for row, (patient, text) in enumerate(zip(patients, texts, strict=True), 1):
            if text:
                time = _text(when.flat[row - 1]) if when is not None and when.size == len(patients) else None
                self.collector.offer(
                    Place(f"{self.path.name} row ", row, f" variable {name[:60]}"), patient, column.target, name, text,
                    column.unit, modality=column.modality, condition=column.condition, time=time,
                )  # fmt: skip

    def _channel(self, name: str, entry: Any) -> Channel:
        where = f"{self.path.name}: mapping of signal `{name[:60]}`"
        if not isinstance(entry, Mapping) or set(entry) != set(_SIGNAL_KEYS):
            raise InputError(f"{where} must be written as {{channel: ABP, unit: mmHg, rate: 1000}}, but got "
                             f"{str(entry)[:60]!r}.")  # fmt: skip
        rate = entry["rate"]
        if isinstance(rate, str) and rate in self.held and self.held[rate].size == 1:
            rate = self.held[rate].flat[0]
        trace = (
            np.asarray(self.held[name], dtype=float).ravel() if self.held[name].dtype.kind in "biuf" else np.empty(0)
        )
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 1e-4 <= float(rate) <= 1e5:
            raise InputError(f"{where}: `rate` must be samples a second, 0.0001 to 100000, or the variable that holds "
                             f"them, but got {str(rate)[:40]!r}.")  # fmt: skip
        if not 0 < trace.size / float(rate) <= LONGEST_S:
            raise InputError(f"{where}: {trace.size} samples at {float(rate):.6g} a second: allowed are 31 days.")
        channel, unit = str(entry["channel"]), str(entry["unit"])
        return Channel(channel, unit, float(rate), trace.size, None, lambda start, stop: trace[start:stop])


def _patients(path: Path, wide: WideMapping, held: Mapping[str, np.ndarray]) -> list[str]:
    """The names in the variable that the mapping's `patient` gives; none where the file is one patient."""
    name = wide.roles.get("patient")
    if name is None:
        return []
    if name not in held:
        raise InputError(f"{path.name}: the mapping's `patient` variable `{name}` is not in the file.")
    return [_text(value) for value in held[name].flat]


def _text(value: Any) -> str:
    """A number as a table would write it, empty for NaN; a text as it is."""
    if isinstance(value, str | np.str_):
        return str(value).strip()
    number = float(value)
    if number != number:
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _no_mapping(path: Path, held: Mapping[str, np.ndarray]) -> str:
    traces = [name for name, one in held.items() if max(one.shape, default=0) == one.size >= TRACE][:1]
    listed = [f"{name} ({' x '.join(map(str, one.shape))})" for name, one in held.items() if "[" not in name][:12]
    return (
        f"{path.name}: a MATLAB file carries neither units nor patients; its variables are "
        f"{', '.join(listed) or 'none'}: write {path.stem}_mapping.yaml beside it, or {FOLDER_MAPPING} "
        "for the folder, as in\n"
        'columns:\n  data.SBP: {observable: sbp, unit: "mm[Hg]", modality: cuff}'
        + "".join(
            f"\nsignals:  # a pressure trace\n  {name}: {{channel: ABP, unit: mmHg, rate: 1000}}" for name in traces
        )
    )
