"""EDF and BDF recordings: the same judgement of signals as for any waveform.

Of the header's patient field only code, sex and birth date are read, never the name. Source of the format: Kemp, Olivan
2003, doi 10.1016/S1388-2457(03)00123-8, https://www.edfplus.info/specs/edfplus.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.extras import required
from ...core.registry import register
from ..codes import sex_of, target
from ..collect import Collector
from ..reading import Place
from ..signal import Channel
from . import Reader
from .refusal import refusal
from .signals import offer_channels

__all__ = ["Edf"]

SIGNALS_LIMIT = 512
LONGEST_S = 31 * 86400.0
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIXED = 256  # bytes of the header, and of each signal's part of it


@register("reader", "edf")
class Edf(Reader):
    """European data format (.edf) and its 24-bit form (.bdf), without gaps (EDF+D is refused)."""

    suffixes = (".edf", ".bdf")

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer beat and numbers of every channel; raises `InputError` when the file is damaged or cut off."""
        _checked(path)
        library = required("pyedflib", "wave", "reading EDF")
        with refusal(path.name, "the recording"):
            file = library.EdfReader(str(path))
        try:
            with refusal(path.name, "the recording"):
                code = _code(file)
                patient = code or path.stem
                channels = _channels(file, path)
            if not code:
                collector.stand_in(patient)
            collector.see(patient)
            _offer_person(collector, path, patient, file)
            offer_channels(collector, path.name, patient, channels)
        finally:
            file.close()


def _checked(path: Path) -> None:
    """Refuse what is no recording, and one whose header announces more than the file holds, before it is opened."""
    with path.open("rb") as file:
        head = file.read(_FIXED)
        if len(head) < _FIXED or head[:8].strip() not in (b"0", b"\xffBIOSEMI"):
            raise InputError(f"{path.name}: no EDF or BDF recording: its first bytes are of another format.")
        try:
            records, signals = int(head[236:244]), int(head[252:256])
            file.seek(_FIXED + signals * 216)
            samples = sum(int(file.read(8)) for _ in range(signals)) if 0 < signals <= SIGNALS_LIMIT else 0
        except ValueError:
            raise InputError(
                f"{path.name}: its header has no number of signals and samples: export it again."
            ) from None
    size = _FIXED * (signals + 1) + records * samples * (3 if head[:1] == b"\xff" else 2)
    if samples <= 0 or records <= 0 or size > path.stat().st_size:
        raise InputError(
            f"{path.name}: the header announces {records:,} records of {samples:,} samples, the file holds less: it is "
            "cut off; export it again."
        )


def _channels(file: Any, path: Path) -> list[Channel]:
    begins: datetime = file.getStartdatetime()
    channels = []
    for k, count in enumerate(file.getNSamples()):
        rate = float(file.getSampleFrequency(k))
        if not 1e-4 <= rate <= 1e5 or not 0 < count / rate <= LONGEST_S:
            raise InputError(
                f"{path.name}: signal {k + 1} has {count} samples at {rate:.6g} a second: allowed are 31 days."
            )
        name, unit = str(file.getLabel(k)), str(file.getPhysicalDimension(k))
        channels.append(Channel(name, unit, rate, int(count), begins, _reading(file, path.name, k)))
    return channels


def _reading(file: Any, name: str, k: int):
    def read(start: int, stop: int) -> np.ndarray:
        with refusal(name, f"signal {k + 1}"):
            return np.asarray(file.readSignal(k, start, stop - start), dtype=float)

    return read


def _code(file: Any) -> str:
    """The hospital's or study's code of the patient; "X" stands for none."""
    code = str(file.getPatientCode()).strip()
    return "" if code.upper() == "X" else code


def _offer_person(collector: Collector, path: Path, patient: str, file: Any) -> None:
    with refusal(path.name, "the patient's sex and birth date"):
        sex, born = str(file.getSex()), _birth_date(str(file.getBirthdate()))
    if sex_of(sex):
        collector.offer(Place(f"{path.name} header ", 1, " sex"), patient, target("sex"), "sex", sex, "")
    if born:
        collector.born(Place(f"{path.name} header ", 1, " birth"), patient, born)


def _birth_date(text: str) -> str:
    """ISO date of "30 jun 1969", the format of EDF+ whatever the language; empty when there is none."""
    day, month, year = [*text.lower().split(), "", "", ""][:3]
    if month not in _MONTHS or not (day.isdigit() and year.isdigit()):
        return ""
    return f"{int(year):04d}-{_MONTHS.index(month) + 1:02d}-{int(day):02d}"
