"""Values of plain JSON taken leniently: what is not of the kind asked for counts as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["list_of", "object_of", "text_of"]


def object_of(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def list_of(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """The value without blanks at its ends where it is text, else ""."""
    return value.strip() if isinstance(value, str) else ""
