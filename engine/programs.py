"""Programs compiled ahead of time: a folder from which jobs take them instead of tracing the model again.

A cluster job that fits one patient, on a machine whose cache is empty, spends most of its time on what every other job
of the cohort does as well: making native code and XLA's program of the same equations. With `HEMOTWIN_PROGRAMS` set to
a folder each program is written there once, with the native code that it calls, and taken from there afterwards.

A program is known by what it computes (circulation, readings, free quantities, precision), by the shapes it is called
with, by the sources of this package and the versions of JAX and LLVM, and by the processor: whatever differs makes
another file, nothing is ever run in its stead. A process whose sources have changed under it keeps and takes nothing.
Programs need the extra `jobs`. One that rests on something that is not this package's own (a circulation, an observable
or a solver of a user's or of a plug-in), whose sources nothing here tells apart, is compiled in each process, as
without the folder.

Its files are code: use a folder that only you can write to.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pickle
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np
from jax.core import Tracer

from ..core.extras import required
from ..core.own import own
from . import compile_cache, sources

__all__ = ["SETTING", "folder", "kept", "made_with", "named", "sealed", "with_seal"]

SETTING = "HEMOTWIN_PROGRAMS"  # environment variable: the folder; unset, nothing is kept
TARGET = re.compile(r"hemotwin_[0-9a-f]{16}")  # names of native functions in a program
SEAL = hashlib.sha256().digest_size  # bytes before the content of a file


def folder() -> Path | None:
    """Where programs are kept, None where the environment names no folder."""
    return Path(os.environ[SETTING]) if os.environ.get(SETTING) else None


def kept(function: Callable[..., Any], compiled: Callable[..., Any], about: Any) -> Callable[..., Any]:
    """`compiled` (the jitted `function`), or its program from the folder once one lies there.

    `about` says what the function computes. Without a folder, or where that has no name, it is `compiled` itself.
    """
    text = named(about)
    if folder() is None or text is None or jax.default_backend() != "cpu":
        return compiled
    programs: dict[str, Callable[..., Any]] = {}

    def call(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        if any(isinstance(leaf, Tracer) for leaf in leaves):  # a kept program cannot be differentiated
            return compiled(*arguments)
        shapes = [f"{np.shape(leaf)}{jax.dtypes.result_type(leaf)}" for leaf in leaves]
        wide = getattr(jax.config, "jax_enable_x64")  # noqa: B009
        key = f"{text} {structure} {shapes} {wide}"
        if key not in programs:
            programs[key] = _program(function, compiled, arguments, key)
        return programs[key](*arguments)

    return call


def named(about: Any) -> str | None:
    """What tells an object from every other of its kind, the same in each process; None where nothing does.

    An object of one of this package's dataclasses is told by its fields. One that holds functions, or looks parts up by
    name, is told by its `origin` instead, which is () where one of these is not this package's own.
    """
    try:
        return _text(about)
    except TypeError:
        return None


def _text(about: Any) -> str:
    if about is None or isinstance(about, str | int | float | bool):
        return repr(about)
    if isinstance(about, tuple):
        return f"({', '.join(_text(one) for one in about)})"
    kind = type(about)
    if dataclasses.is_dataclass(about) and own(kind):
        named_by = getattr(about, "origin", None)
        if named_by is None:
            named_by = tuple((f.name, getattr(about, f.name)) for f in dataclasses.fields(about))
        elif not named_by:
            raise TypeError(f"a {kind.__name__} rests on something that is not this package's own")
        return f"{kind.__module__}.{kind.__qualname__}{_text(named_by)}"
    raise TypeError(f"{about!r} has no name")


def _program(
    function: Callable[..., Any], compiled: Callable[..., Any], arguments: tuple[Any, ...], key: str
) -> Callable[..., Any]:
    root = folder()
    assert root is not None
    if not sources.unchanged():
        return compiled
    required("flatbuffers", "jobs", f"{SETTING} (programs kept for jobs)")
    file = root / f"{hashlib.sha256(f'{made_with()} {key}'.encode()).hexdigest()}.program"
    content = sealed(file)
    if content is None:
        content = _exported(function, arguments)
        if content is None or not sources.unchanged():  # tracing may have imported what has changed meanwhile
            return compiled
        compile_cache.keep(file, with_seal(content))
    serialized, skeleton, codes = pickle.loads(content)  # as trusted as the native code beside it
    if codes:
        from .backends.native.handler import register_code  # it needs llvmlite

        for name, code in codes.items():
            register_code(name, code)
    run, ends = jax.jit(jax.export.deserialize(serialized).call), jax.tree.structure(skeleton)
    return lambda *arguments: jax.tree.unflatten(ends, run(*_arrays(arguments)))


def sealed(file: Path) -> bytes | None:
    """The content of a file under a seal; None where there is none, a damaged one, or one that may not be read."""
    try:
        whole = file.read_bytes()
    except OSError:
        return None
    return whole[SEAL:] if hashlib.sha256(whole[SEAL:]).digest() == whole[:SEAL] else None


def with_seal(content: bytes) -> bytes:
    """What a file of this content holds: its digest before it."""
    return hashlib.sha256(content).digest() + content


def _exported(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes | None:
    """A program with the structure of what it gives and its native code; None where a part is of another process."""
    structure, ends = jax.tree.structure(arguments), []

    def flat(*leaves: Any) -> list[Any]:
        found = function(*jax.tree.unflatten(structure, leaves))
        ends.append(jax.tree.structure(found))
        return jax.tree.leaves(found)

    allowed = jax.export.DisabledSafetyCheck.custom_call
    leaves = _arrays(arguments)
    traced = jax.jit(flat).trace(*leaves)
    names = sorted(set(TARGET.findall(str(traced.lower().compiler_ir("stablehlo")))))
    exported = jax.export.export(jax.jit(flat), disabled_checks=[allowed(name) for name in names])(*leaves)
    codes = {}
    if names:
        from .backends.native.handler import code_of

        codes = {name: code_of(name) for name in names}
    skeleton = jax.tree.unflatten(ends[0], list(range(ends[0].num_leaves)))
    return pickle.dumps((bytes(exported.serialize()), skeleton, codes))


def _arrays(arguments: tuple[Any, ...]) -> list[Any]:
    return [jax.numpy.asarray(leaf) for leaf in jax.tree.leaves(arguments)]


@functools.cache
def made_with() -> str:
    """Processor, versions and sources that every program rests on."""
    versions = [f"{of.__name__} {of.__version__}" for of in (jax, jaxlib)]  # as loaded, not as installed meanwhile
    try:
        import llvmlite

        from .backends.native.handler import processor

        versions.append(f"llvmlite {llvmlite.__version__} {processor()}")
    except ImportError:
        versions.append(f"no native code, {platform.machine()}")
    return f"{versions} {os.environ.get('HEMOTWIN_BACKEND', '')} {os.environ.get('XLA_FLAGS', '')} {sources.digest()}"
