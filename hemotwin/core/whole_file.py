"""A text file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from .drafts import discard, draft_of, sweep

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text beside `path`, then rename it there; a killed run leaves at most a dot-prefixed leftover, which
    the next one removes."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    draft = draft_of(target)
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, target)
    finally:
        discard(draft)
    return target
