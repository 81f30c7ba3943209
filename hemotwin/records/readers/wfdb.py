"""WFDB records of PhysioNet: one or many segments, any signal format with FLAC among them, gaps, and numerics.

Source of the format: https://physionet.org/physiotools/wag/header-5.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import InputError
from ...core.extras import required
from ...core.registry import register
from ..codes import target
from ..collect import Collector
from ..reading import Place
from ..signal import Channel
from . import Reader, Source
from .refusal import refusal
from .signals import offer_channels

__all__ = ["Wfdb"]

HEADER_LIMIT = 1 << 20  # characters
SIGNALS_LIMIT = 512
LONGEST_S = 31 * 86400.0
_PLAIN = re.compile(r"[\w.+\-]{1,80}")
_BITS = {"8": 8, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12, "310": 10, "311": 10}
_MATCHED = re.compile(r"(.+?)-\d{4}-\d\d-\d\d-\d\d-\d\dn?")
_PERSON = re.compile(r"<age>:\s*(\S+)|<sex>:\s*(\S+)", re.IGNORECASE)


@register("reader", "wfdb")
class Wfdb(Reader):
    """A header (.hea) with the signal files beside it; the header of a record in segments stands for all of them."""

    suffixes = (".hea",)
    together = True

    def sources(self, folder: Path, files: Sequence[Path]) -> list[Source]:
        """Each record that is no segment of another, with every file that it names."""
        named = {path: _named_files(path) for path in files if path.suffix.lower() == ".hea"}
        segments = {part for path, parts in named.items() for part in parts if part.suffix == ".hea"}
        found = []
        for path, parts in named.items():
            if path not in segments:
                inner = [one for part in parts for one in named.get(part, ())]
                present = dict.fromkeys(part for part in [path, *parts, *inner] if part in files)
                found.append(Source(path, tuple(present)))
        return found

    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer beat and numbers of every channel; raises `InputError` when header or signal files are unusable."""
        _checked(path)
        library = required("wfdb", "wave", "reading WFDB")
        stem = str(path.with_suffix(""))
        with refusal(path.name, "the header"):
            header = library.rdheader(stem, rd_segments=True)
        patient = _subject(path)
        if not patient:  # the name of a recording, of which one person may have several
            patient = re.sub(r"_\d{4}$", "", path.stem)
            collector.stand_in(patient)
        collector.see(patient)
        _offer_person(collector, path, patient, header)
        with refusal(path.name, "the signal"):
            channels = _channels(library, path, header)
        offer_channels(collector, path.name, patient, channels)


def _channels(library: Any, path: Path, header: Any) -> list[Channel]:
    parts = _segments(path, header)
    signals = _signals(path, parts)
    rate, frames = float(header.fs), parts[-1].stop if parts else 0
    if not 1e-4 <= rate <= 1e5 or len(signals) > SIGNALS_LIMIT or not 0 < frames / rate <= LONGEST_S or not signals:
        raise InputError(
            f"{path.name}: {len(signals)} signals of {frames} samples at {rate:.6g} a second: allowed are 1 to "
            f"{SIGNALS_LIMIT} signals of up to 31 days: check the header."
        )
    begins = header.base_datetime if isinstance(header.base_datetime, datetime) else None
    return [
        Channel(name, unit, rate * each, frames * each, begins, _reading(library, path.name, parts, name, each))
        for name, (unit, each) in signals.items()
    ]


class _Segment(NamedTuple):
    """A stretch of the record: frames start..stop; `header` is None in a gap."""

    start: int
    stop: int
    stem: str
    header: Any

    def place(self, name: str) -> int | None:
        """Where the channel stands in this segment, None when it is not in it."""
        names = list(self.header.sig_name or []) if self.header is not None else []
        return names.index(name) if name in names else None


def _segments(path: Path, header: Any) -> list[_Segment]:
    if not hasattr(header, "seg_name"):
        return [_Segment(0, int(header.sig_len or 0), str(path.with_suffix("")), header)]
    found, start = [], 0
    for name, length, part in zip(header.seg_name, header.seg_len, header.segments, strict=True):
        if int(length) < 0 or (part is not None and part.fs != header.fs):
            raise InputError(f"{path.name}: segment {name} has {length} samples at {getattr(part, 'fs', 0)} a second.")
        if length:  # a layout has no sample of its own
            found.append(_Segment(start, start + int(length), str(path.with_name(str(name))), part))
            start += int(length)
    return found


def _signals(path: Path, parts: Sequence[_Segment]) -> dict[str, tuple[str, int]]:
    """Channels by name: unit, and samples per frame where all segments agree on them, else one."""
    found: dict[str, tuple[str, int]] = {}
    for part in parts:
        if part.header is None or not part.header.sig_name:
            continue
        names = [str(name) for name in part.header.sig_name]
        if len(set(names)) < len(names):
            raise InputError(f"{path.name}: two signals of one name ({', '.join(names)[:80]}): which is which?")
        for name, unit, each in zip(names, part.header.units, part.header.samps_per_frame, strict=True):
            before = found.setdefault(name, (str(unit or ""), int(each)))
            if before[0] != str(unit or ""):
                raise InputError(f"{path.name}: {name} changes its unit from {before[0]} to {unit}: split the record.")
            if before[1] != int(each):
                found[name] = (before[0], 1)
    return found


def _reading(library: Any, record: str, parts: Sequence[_Segment], name: str, each: int):
    """Physical samples of one channel between two places, NaN in gaps and where a segment lacks the channel."""

    def read(start: int, stop: int) -> np.ndarray:
        values = np.full(stop - start, np.nan)
        first, last = start // each, -(-stop // each)
        for part in parts:
            begin, end, at = max(first, part.start), min(last, part.stop), part.place(name)
            if begin >= end or at is None:
                continue
            with refusal(record, f"signal {name}"):
                within = {"sampfrom": begin - part.start, "sampto": end - part.start}
                one = library.rdrecord(part.stem, **within, channels=[at], smooth_frames=each == 1)
                samples = np.asarray(one.p_signal[:, 0] if each == 1 else one.e_p_signal[0], dtype=float)
            offset = begin * each - start
            cut = samples[max(0, -offset) :][: stop - start - max(0, offset)]
            values[max(0, offset) : max(0, offset) + len(cut)] = cut
        return values

    return read


def _named_files(path: Path) -> list[Path]:
    """The files that a header names: segments' headers, and signal files."""
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file.read(HEADER_LIMIT).splitlines() if line.strip()[:1] not in ("", "#")]
    if not lines:
        return []
    if "/" in lines[0][0]:
        return [path.with_name(f"{words[0]}.hea") for words in lines[1:] if _PLAIN.fullmatch(words[0])]
    return list(dict.fromkeys(path.with_name(words[0]) for words in lines[1:] if _PLAIN.fullmatch(words[0])))


def _checked(path: Path) -> None:
    """Refuse a header that names files elsewhere, or more samples than its files hold, before anything is opened."""
    if path.stat().st_size > HEADER_LIMIT:
        raise InputError(f"{path.name}: a header of more than {HEADER_LIMIT:,} characters is none.")
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or len(lines[0]) < 2:
        raise InputError(f"{path.name}: the header lacks its first line (record, signals, rate, samples).")
    for words in lines[1:]:
        if words[0] != "~" and (not _PLAIN.fullmatch(words[0]) or words[0].startswith(".")):
            shown = "".join(c if c.isprintable() else "?" for c in words[0][:40])
            raise InputError(f"{path.name}: the header names the file `{shown}`: files must lie beside the header.")
    if "/" in lines[0][0]:
        for words in lines[1:]:
            part = path.with_name(f"{words[0]}.hea")
            if words[0] != "~" and part != path and part.is_file():
                if "/" in part.read_text(encoding="utf-8", errors="replace")[:HEADER_LIMIT].split(maxsplit=1)[0]:
                    raise InputError(f"{path.name}: its segment {words[0]} is itself in segments, which no record is.")
                _checked(part)
        return
    _sizes_hold(path, lines)


def _sizes_hold(path: Path, lines: Sequence[Sequence[str]]) -> None:
    frames = int(lines[0][3]) if len(lines[0]) > 3 and lines[0][3].isdigit() else 0
    bits: dict[str, int] = {}
    for words in lines[1:]:
        match = re.match(r"(\d+)(?:x(\d+))?", words[1]) if len(words) > 1 else None
        if match is None or words[0] == "~":
            continue
        bits[words[0]] = bits.get(words[0], 0) + _BITS.get(match[1], 0) * int(match[2] or 1)
    for name, per_frame in bits.items():
        file = path.with_name(name)
        if not file.is_file():
            raise InputError(f"{path.name}: the signal file `{name}` is not beside the header: copy it there.")
        if frames * per_frame > 8 * (file.stat().st_size + 1024):
            raise InputError(
                f"{path.name}: the header announces {frames:,} samples, but `{name}` is too short: copy it again."
            )


def _subject(path: Path) -> str:
    """The subject of a record: in the layout of the matched MIMIC waveforms the folder, otherwise none is named."""
    matched = _MATCHED.fullmatch(path.stem)
    if matched:
        return matched[1]
    folder = path.parent.name
    if folder and next(path.parent.glob(f"{_escaped(folder)}-????-??-??-??-??*.hea"), None):
        return folder
    return ""


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[\]])", r"[\1]", name)


def _offer_person(collector: Collector, path: Path, patient: str, header: Any) -> None:
    """Age and sex, which the databases write into a comment; nothing else of the comments is looked at."""
    for comment in header.comments or ():
        for found in _PERSON.finditer(str(comment)[:500]):
            name, text = ("age", found[1]) if found[1] else ("sex", found[2])
            if text.strip("?"):
                place = Place(f"{path.name} comment ", 1, f" {name}")
                collector.offer(place, patient, target(name), name, text, "a" if name == "age" else "")
