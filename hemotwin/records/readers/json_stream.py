"""JSON read piece by piece: the elements of one long array are yielded as they come, so memory stays bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...core.errors import InputError

__all__ = ["ELEMENT_LIMIT", "beginning", "decode", "elements"]

ELEMENT_LIMIT = 16_000_000  # characters of one entry
_CHUNK = 1 << 20
_STREAMED = ("entry", "observations")
_SPACE = " \t\r\n\ufeff"


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 40 else float(digits[:320])


_DECODER = json.JSONDecoder(parse_int=_whole_number)


def elements(path: Path) -> Iterator[tuple[str, Any]]:
    """("entry" or "observations", element) for the arrays of that name, ("item", element) of a top-level list,
    ("object", the remaining keys) at the end of every top-level object.

    Raises `InputError` with file and line when the JSON is malformed, cut off or nested too deeply.
    """
    with path.open("r", encoding="utf-8-sig", errors="replace") as file:
        text = _Text(file, path.name)
        while first := text.peek():
            if first == "{":
                yield from _top_object(text)
            elif first == "[":
                yield from (("item", element) for element in _array(text))
            else:
                raise text.malformed("a record is an object or a list")


def decode(line: str) -> Any:
    """One JSON value on a line; raises ValueError in words when it is none."""
    try:
        value, end = _DECODER.raw_decode(line.strip(_SPACE))
    except json.JSONDecodeError as error:
        raise ValueError(f"malformed JSON ({error.msg} at column {error.colno}): export it again") from None
    except RecursionError:
        raise ValueError("nested too deeply for a record: export it again") from None
    if line.strip(_SPACE)[end:].strip(_SPACE):
        raise ValueError("more than one JSON value on the line: put each on a line of its own")
    return value


def beginning(path: Path) -> str:
    """The first 64 kB of a file as text."""
    with path.open("r", encoding="utf-8-sig", errors="replace") as file:
        return file.read(1 << 16)


def _top_object(text: _Text) -> Iterator[tuple[str, Any]]:
    rest: dict[str, Any] = {}
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        if not isinstance(key, str):
            raise text.malformed("a key must be a string")
        text.take(":")
        if key in _STREAMED and text.peek() == "[":
            for element in _array(text):
                yield key, element
        else:
            rest[key] = text.value()
        if text.peek() == ",":
            text.take(",")
        elif text.peek() != "}":
            raise text.malformed("a comma or a closing brace is missing")
    text.take("}")
    yield "object", rest


def _array(text: _Text) -> Iterator[Any]:
    text.take("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() == ",":
            text.take(",")
        elif text.peek() != "]":
            raise text.malformed("a comma or a closing bracket is missing")
    text.take("]")


class _Text:
    """The file's text from the current place on, refilled by the chunk; what was read is dropped."""

    def __init__(self, file: Any, name: str):
        self.file, self.name = file, name
        self.buffer, self.position, self.line, self.ended = "", 0, 1, False

    def peek(self) -> str:
        """The next character that is no blank, or "" at the end of the file."""
        while True:
            while self.position < len(self.buffer):
                character = self.buffer[self.position]
                if character not in _SPACE:
                    return character
                self.position += 1
            if not self._refill(_CHUNK):
                return ""

    def take(self, expected: str) -> None:
        """Step over one expected character."""
        if self.peek() != expected:
            raise self.malformed(f"`{expected}` is missing")
        self.position += 1

    def value(self) -> Any:
        """The next whole JSON value."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.buffer, self.position)
            except json.JSONDecodeError as error:
                ahead = error.pos - self.position
                if self._refill(len(self.buffer)):
                    continue
                raise self.malformed(error.msg, self.position + ahead) from None
            except RecursionError:
                raise InputError(f"{self.name} line {self.line}: nested too deeply for a record.") from None
            if end == len(self.buffer) and self._refill(_CHUNK):
                continue  # a number may go on in the next chunk
            self.position = end
            return value

    def malformed(self, why: str, position: int | None = None) -> InputError:
        """The error for text that is not JSON, with its line."""
        at = self.position if position is None else position
        line = self.line + self.buffer.count("\n", 0, at)
        if self.ended and (at >= len(self.buffer.rstrip()) or why.startswith("Unterminated")):
            return InputError(f"{self.name} line {line}: the JSON is cut off ({why}): export the file again.")
        return InputError(f"{self.name} line {line}: malformed JSON ({why}): correct it or export the file again.")

    def _refill(self, size: int) -> bool:
        if self.ended:
            return False
        self.line += self.buffer.count("\n", 0, self.position)
        self.buffer = self.buffer[self.position :]
        self.position = 0
        if len(self.buffer) > ELEMENT_LIMIT:
            raise self.malformed(f"no end of an entry within {ELEMENT_LIMIT:,} characters")
        more = self.file.read(max(size, _CHUNK))
        self.ended = not more
        self.buffer += more
        return bool(more)
