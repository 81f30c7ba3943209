"""A text file appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text beside `path`, then rename it there; a killed run leaves at most a dot-prefixed leftover."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    try:
        building.write_text(text, encoding="utf-8")
        os.replace(building, target)
    finally:
        building.unlink(missing_ok=True)
    return target
