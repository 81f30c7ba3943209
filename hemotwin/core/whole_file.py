"""A file appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .drafts import discard, draft_of, sweep

__all__ = ["whole_file", "write_whole"]


@contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the name of a draft beside `path`, which on success is renamed there; of writers at the same time the last
    to finish wins. A killed run leaves at most a dot-prefixed leftover, which the next one removes."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target)
    draft = draft_of(target)
    try:
        yield draft
        os.replace(draft, target)
    finally:
        discard(draft)


def write_whole(path: str | os.PathLike, text: str) -> Path:
    """Write UTF-8 text to `path`, whole or not at all; see `whole_file`."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return Path(path)
