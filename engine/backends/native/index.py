"""Which native function computes a beat, kept in the cache beside its machine code: a process that finds it there need
not trace the model to know.

A beat is known by what it computes and by the sources, versions and processor that its code rests on, as programs for
jobs are (`engine/programs.py`); one of a circulation that is not this package's own is traced in every process.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ... import compile_cache, sources
from ...programs import made_with, named, sealed, with_seal
from .handler import DIGEST, Target, kept_code, register_code

__all__ = ["found", "note"]


def found(about: Any) -> Target | None:
    """The function noted for `about`, its machine code loaded; None where no cache holds both, whole."""
    file = _file(about)
    content = None if file is None else sealed(file)
    if content is None:
        return None
    target = Target(**json.loads(content))
    code = kept_code(target.name)
    if code is None:
        return None
    register_code(target.name, code)
    return target


def note(about: Any, target: Target) -> None:
    """Keep for later processes that `target` computes what `about` says."""
    file = _file(about)
    if file is not None:
        fields = {"name": target.name, "width": target.width, "scratch": target.scratch}
        compile_cache.keep(file, with_seal(json.dumps(fields).encode()))


def _file(about: Any) -> Path | None:
    text = named(about)
    if text is None or not sources.unchanged():
        return None
    return compile_cache.kept_in(f"{hashlib.sha256(f'{made_with()} {text}'.encode()).hexdigest()[: 2 * DIGEST]}.target")
