"""XLA's C API for foreign functions as this jaxlib declares it: version, and places in its structures.

Read from the header that jaxlib brings (xla/ffi/api/c_api.h), so that a field which moved in a new jaxlib is found
where it is, and one which is gone is told before any call.
"""

from __future__ import annotations

import ctypes
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.errors import HemotwinError

__all__ = ["Interface", "declared_interface", "interface"]

HEADER = "xla/ffi/api/c_api.h"
NUMBERS: dict[str, Any] = {
    "size_t": ctypes.c_size_t, "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32, "int": ctypes.c_int,
}  # fmt: skip
COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
STRUCTURES = re.compile(r"\bstruct\s+(\w+)\s*\{([^{}]*)\}")
ENUMERATIONS = re.compile(r"\btypedef\s+enum\s*\{[^{}]*\}\s*(\w+)\s*;")
NAMES = re.compile(r"\btypedef\s+(\w+)\s+(\w+)\s*;")
FUNCTIONS = re.compile(r"\b_XLA_FFI_API_STRUCT_FIELD\(\s*(\w+)\s*\)")
FIELD = re.compile(r"(?:const\s+|struct\s+)*(\w+)\s*([\s*]*(?:\bconst\b)?)\s*\b(\w+)", re.ASCII)


@dataclass(frozen=True)
class Interface:
    """What a handler must know: bytes from the beginning of a structure to its fields.

    `major`, `minor`: the API's version; `asked`: the extension that asks a handler for it (`asked_type` in its `type`).
    """

    major: int
    minor: int
    asked_type: int
    extension: int  # of a call frame: the extension, null in an ordinary call
    arguments: int  # ... the array of pointers to the buffers that come in
    results: int  # ... and to those that go out
    extension_type: int  # of an extension
    metadata: int  # ... that asks for the version: where the answer goes
    answer_major: int  # of the answer
    answer_minor: int
    answer_traits: int
    data: int  # of a buffer
    rank: int
    dimensions: int
    functions: int  # of a call frame: XLA's own functions
    context: int  # ... and the run that they are asked about
    schedule: int  # of the functions: the one that gives work to XLA's threads
    destroy: int  # ... and the one that frees an error
    work_size: int  # of what `schedule` is told: its bytes
    work_context: int
    work_task: int
    work_data: int
    error_size: int  # of what `destroy` is told: its bytes
    error: int


@functools.cache
def interface() -> Interface:
    """The interface of the jaxlib in use; raises `HemotwinError` where it has none that is known."""
    import jax

    header = Path(jax.ffi.include_dir()) / HEADER
    if not header.is_file():
        raise HemotwinError(f"jaxlib brings no header {HEADER}, which native code is called by.")
    return declared_interface(header.read_text(encoding="utf-8"))


def declared_interface(header: str) -> Interface:
    """The interface that the text of a header declares; raises `HemotwinError` naming what it lacks."""
    text = FUNCTIONS.sub(r"void* \1", COMMENTS.sub("", header))
    version = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    asked = re.search(r"\bXLA_FFI_Extension_Metadata\s*=\s*(\d+)", text)
    if None in version or asked is None:
        raise HemotwinError(f"jaxlib's {HEADER} must give its version and ask for a handler's, but gives none.")
    major, minor = (int(found[1]) for found in version if found)
    if major != 0:
        raise HemotwinError(f"jaxlib's foreign function interface must be of major version 0, but is {major}.{minor}.")
    structures = _Structures(text)
    frame, extension = structures["XLA_FFI_CallFrame"], structures.pointed_to("XLA_FFI_CallFrame", "extension_start")
    answer, buffer = structures["XLA_FFI_Metadata"], structures["XLA_FFI_Buffer"]
    functions, work = structures["XLA_FFI_Api"], structures["XLA_FFI_ThreadPool_Schedule_Args"]
    error = structures["XLA_FFI_Error_Destroy_Args"]
    return Interface(
        major, minor, int(asked[1]),
        extension=_place(frame, "extension_start"),
        arguments=_place(frame, "args", "args"),
        results=_place(frame, "rets", "rets"),
        extension_type=_place(structures[extension], "type"),
        metadata=_place(structures["XLA_FFI_Metadata_Extension"], "metadata"),
        answer_major=_place(answer, "api_version", "major_version"),
        answer_minor=_place(answer, "api_version", "minor_version"),
        answer_traits=_place(answer, "traits"),
        data=_place(buffer, "data"), rank=_place(buffer, "rank"), dimensions=_place(buffer, "dims"),
        functions=_place(frame, "api"), context=_place(frame, "ctx"),
        schedule=_place(functions, "XLA_FFI_ThreadPool_Schedule"),
        destroy=_place(functions, "XLA_FFI_Error_Destroy"),
        work_size=ctypes.sizeof(work), work_context=_place(work, "ctx"), work_task=_place(work, "task"),
        work_data=_place(work, "data"),
        error_size=ctypes.sizeof(error), error=_place(error, "error"),
    )  # fmt: skip


class _Structures:
    """Structures of a C header by name, laid out by ctypes as a C compiler lays them out."""

    def __init__(self, text: str) -> None:
        self.bodies = dict(STRUCTURES.findall(text))
        self.numbers = NUMBERS | dict.fromkeys(ENUMERATIONS.findall(text), ctypes.c_int)
        self.numbers |= {new: NUMBERS[old] for old, new in NAMES.findall(text) if old in NUMBERS}
        self.known: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.bodies:
            raise HemotwinError(f"jaxlib's {HEADER} must declare {name}, but does not.")
        if name not in self.known:
            fields = [(field, self._kind(kind, stars, name)) for kind, stars, field in self._fields(name)]
            self.known[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
        return self.known[name]

    def pointed_to(self, name: str, field: str) -> str:
        """Name of the structure that a field points to."""
        for kind, stars, found in self._fields(name):
            if found == field and stars:
                return kind
        raise HemotwinError(f"jaxlib's {HEADER} must declare {name}.{field} a pointer, but does not.")

    def _fields(self, name: str) -> list[tuple[str, str, str]]:
        """(type, stars, name) of the fields."""
        declarations = [piece.strip() for piece in self.bodies[name].split(";")]
        found = []
        for declaration in filter(None, declarations):
            match = FIELD.fullmatch(declaration)
            if match is None:
                raise HemotwinError(f"jaxlib's {HEADER} declares a field that is not understood: {declaration!r}.")
            found.append((match[1], match[2].replace("const", "").strip(), match[3]))
        return found

    def _kind(self, kind: str, stars: str, within: str) -> Any:
        if stars:
            return ctypes.c_void_p
        found = self.numbers.get(kind)
        if found is None and kind not in self.bodies:
            raise HemotwinError(f"jaxlib's {HEADER} uses a type in {within} that is not understood: {kind}.")
        return found or self[kind]


def _place(structure: Any, *path: str) -> int:
    """Bytes from the beginning of a structure to a field, or to a field of a structure within it."""
    place = 0
    for name in path:
        kinds = dict(structure._fields_)
        if name not in kinds:
            raise HemotwinError(f"jaxlib's {HEADER} must declare {structure.__name__}.{name}, but does not.")
        place += getattr(structure, name).offset
        structure = kinds[name]
    return place
