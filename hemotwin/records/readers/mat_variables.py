"""The variables of a MATLAB file (level 5, as saved with -v7 or -v6), read within limits and laid out by name.

Source of the format: MathWorks, MAT-File Format (level 5), https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from .refusal import refusal

__all__ = ["variables"]

BYTES_LIMIT = 256 << 20  # of the file, and of all variables once unpacked
DEPTH_LIMIT = 20  # structures and cells within each other
ELEMENTS_LIMIT = 2_000_000
COLUMNS_LIMIT = 1000  # of one array, each addressed by its number
_HEADER, _MATRIX, _COMPRESSED = 128, 14, 15  # bytes of the file's header; element types of the format
_HDF5 = b"\x89HDF"


def variables(path: Path) -> dict[str, np.ndarray]:
    """Every numeric, logical or text array by its name: fields as "data.EDV", columns of a matrix as "signal[2]" beside
    the matrix itself, elements of a cell or structure array as "cell{3}".

    Numbers are 1-D or 2-D arrays as saved, texts 1-D arrays of strings. Raises `InputError` for any other version, a
    damaged file, and one that unpacks to more than 256 MiB or is nested more than 20 deep.
    """
    _within_limits(path)
    with refusal(path.name, "the MATLAB file"):
        from scipy.io import loadmat

        read = loadmat(str(path), chars_as_strings=True, struct_as_record=True, verify_compressed_data_integrity=True)
        found: dict[str, np.ndarray] = {}
        for name, value in read.items():
            if not name.startswith("__"):
                _lay_out(name, value, found)
    return found


def _lay_out(name: str, value: Any, found: dict[str, np.ndarray]) -> None:
    if len(found) > ELEMENTS_LIMIT:
        raise InputError("more than two million arrays")
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.names:
        for k, one in enumerate(value.flat):
            for field in value.dtype.names:
                _lay_out(f"{name}.{field}" if value.size == 1 else f"{name}{{{k + 1}}}.{field}", one[field], found)
    elif value.dtype == object:
        texts = [
            str(one.flat[0])
            for one in value.flat
            if isinstance(one, np.ndarray) and one.dtype.kind == "U" and one.size == 1
        ]
        if len(texts) == value.size and value.size:
            found[name] = np.array(texts)
            return
        for k, one in enumerate(value.flat):
            _lay_out(f"{name}{{{k + 1}}}", one, found)
    elif value.dtype.kind in "biufU":
        found[name] = value
        if value.ndim == 2 and 1 < value.shape[1] <= COLUMNS_LIMIT and value.shape[0] > 1:
            found.update({f"{name}[{k + 1}]": value[:, k] for k in range(value.shape[1])})


def _within_limits(path: Path) -> None:
    """Look over the file before a library opens it: a small one must not fill the memory or the stack."""
    if path.stat().st_size > BYTES_LIMIT:
        raise InputError(
            f"{path.name}: more than {BYTES_LIMIT >> 20} MiB: save the variables that hold readings alone."
        )
    with path.open("rb") as file:
        head = file.read(_HEADER)
        if head[:4] == _HDF5 or len(head) < _HEADER or head[126:128] not in (b"IM", b"MI"):
            raise InputError(f"{path.name}: no MATLAB file of level 5: save it again with `save(..., '-v7')`.")
        order = "<" if head[126:128] == b"IM" else ">"
        total = 0
        for kind, content in _top_level(file, order, path.name):
            if kind == _COMPRESSED:
                content = _unpacked(content, BYTES_LIMIT - total, path.name)
            total += len(content)
            if _depth(content, order) > DEPTH_LIMIT:
                raise InputError(f"{path.name}: its variables are nested more than {DEPTH_LIMIT} deep: save them flat.")


def _top_level(file: Any, order: str, name: str) -> Iterator[tuple[int, bytes]]:
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(order + "II", tag)
        content = file.read(size) if size <= BYTES_LIMIT else b""
        if len(content) < size:
            raise InputError(f"{name}: it is cut off: save it again.")
        yield kind, content if kind == _COMPRESSED else tag + content


def _unpacked(packed: bytes, most: int, name: str) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(packed, max(1, most))
    except zlib.error:
        raise InputError(f"{name}: a variable is damaged: save the file again.") from None
    if unpacking.unconsumed_tail:
        raise InputError(f"{name}: it unpacks to more than {BYTES_LIMIT >> 20} MiB: this holds no readings.")
    return content


def _depth(content: bytes, order: str) -> int:
    """How deep arrays lie within each other, by the tags alone."""
    at, ends, deepest = 0, [len(content)], 0
    while at + 8 <= len(content):
        while len(ends) > 1 and at >= ends[-1]:
            ends.pop()
        kind, size = struct.unpack_from(order + "II", content, at)
        if kind >> 16:  # up to four bytes within the tag itself
            at += 8
        elif kind == _MATRIX:
            ends.append(min(at + 8 + size, ends[-1]))
            deepest = max(deepest, len(ends) - 1)
            if deepest > DEPTH_LIMIT:
                return deepest
            at += 8
        else:
            at += 8 + (size + 7) // 8 * 8
    return deepest
