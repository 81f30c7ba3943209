"""Machine code from LLVM IR, and its registration as a custom call of XLA.

XLA hands a handler one structure with all buffers (`interface`); the handler is IR too (`entry`), so that no compiler
is needed and a call never touches Python.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.extras import required
from ... import compile_cache
from ...crew import spare
from ...programs import sealed, with_seal
from .entry import entry
from .program import NativeProgram
from .tangents import kernel, results

__all__ = [
    "PURPOSE",
    "Target",
    "code_of",
    "compiled_target",
    "kept_code",
    "loaded",
    "machine_code",
    "processor",
    "register_code",
    "registered",
    "vector_bytes",
]

PURPOSE = "code for this CPU"
INPUTS = ("rows", "start", "counts")
DIGEST = 16  # characters of a digest in a name
WEIGHTS = '!0 = !{!"branch_weights", i32 1, i32 8}'  # a group passes by most rare parts

OPTIMISATION = 2  # of LLVM's code generation
# What a kind of processor is told beside its features. x86: to use its widest vectors. Arm: to do without SVE, which
# vectors of 16 bytes gain nothing from, and which a container may hide although the processor's name promises it.
TOLD = {"x86_64": "-prefer-256-bit", "aarch64": "-sve", "arm64": "-sve"}

_lock = threading.Lock()
_codes: dict[str, bytes] = {}  # machine code of registered handlers, by name


@dataclass(frozen=True)
class Target:
    """A registered function: its name, patients per group, bytes of scratch."""

    name: str
    width: int
    scratch: int


def compiled_target(program: NativeProgram) -> Target:
    """Compile a program, or take its machine code from the cache, and register it with XLA under its digest."""
    placeholder = "beat_of_a_digest"
    text, scratch = kernel(program, placeholder)
    outputs = len(results(program)) + 1
    call = entry(placeholder, len(INPUTS), outputs, INPUTS.index("start"), program.width, scratch)
    text = f"{text}\n{call}\n{WEIGHTS}\n"
    name = "hemotwin_" + hashlib.sha256(text.encode()).hexdigest()[:DIGEST]
    registered(name, lambda: text.replace(placeholder, name))
    return Target(name, program.width, scratch)


def registered(name: str, text: Callable[[], str]) -> None:
    """Give XLA the handler `@name.call` of the module `text()`, unless it has it already."""
    with _lock:
        if name not in _codes:
            _registered(name, machine_code(name, text))


def register_code(name: str, code: bytes) -> None:
    """The same from machine code that another process made for this processor."""
    with _lock:
        if name not in _codes:
            _registered(name, code)


def code_of(name: str) -> bytes:
    """Machine code of a registered handler."""
    return _codes[name]


def _registered(name: str, code: bytes) -> None:
    import jax

    kind = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    function, engine = _loaded(code, f"{name}.call", kind)
    ctypes.c_void_p.from_address(engine.get_global_value_address(f"{name}.spare")).value = spare()
    try:
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(function), platform="cpu")
    except RuntimeError as error:
        if "Duplicate" not in str(error):  # XLA has one of this name, of the same text: this module was imported twice
            raise
    _codes[name] = code


def loaded(text: str, function: str, kind: Any) -> tuple[Any, Any]:
    """A function of a module of IR, callable from Python as `kind` (a ctypes prototype), and the engine that has it."""
    return _loaded(_emitted(text), function, kind)


def _loaded(code: bytes, function: str, kind: Any) -> tuple[Any, Any]:
    """A function of machine code and the engine that holds it, for as long as this process lives: XLA goes on to call
    what it once was given, whatever becomes of this module's names (in a notebook that reloads it, say)."""
    binding = required("llvmlite.binding", "native", PURPOSE)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return kind(engine.get_function_address(function)), engine


def machine_code(name: str, text: Callable[[], str]) -> bytes:
    """Machine code of the module `text()` for this processor, from the compilation cache where it lies there."""
    code = kept_code(name)
    if code is None:
        code = _emitted(text())
        if (file := _code_file(name)) is not None:
            compile_cache.keep(file, with_seal(code))
    return code


def kept_code(name: str) -> bytes | None:
    """Machine code of a module for this processor in the compilation cache; None where it lacks or is damaged."""
    file = _code_file(name)
    return None if file is None else sealed(file)


def _code_file(name: str) -> Path | None:
    binding = required("llvmlite.binding", "native", PURPOSE)
    made_by = f"{processor()} LLVM {binding.llvm_version_info} {OPTIMISATION}"
    return compile_cache.kept_in(f"{name}-{hashlib.sha256(made_by.encode()).hexdigest()[:DIGEST]}.code")


def _emitted(text: str) -> bytes:
    return _machine().emit_object(_module(text))


def _module(text: str) -> Any:
    """IR for this processor, with what is always inlined in its place."""
    binding, machine = required("llvmlite.binding", "native", PURPOSE), _machine()
    if "+fma" not in _features():
        # x86 before 2013 would call the C library for each number of a vector; this lets LLVM take a product and a sum.
        # Whatever else has no such feature (Arm) fuses all the same
        text = text.replace("@llvm.fma.", "@llvm.fmuladd.")
    module = binding.parse_assembly(text)
    module.verify()
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    builder = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(speed_level=0))
    builder.getModulePassManager().run(module, builder)
    return module


@functools.cache
def _initialised() -> None:
    binding = required("llvmlite.binding", "native", PURPOSE)
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


def _machine() -> Any:
    binding = required("llvmlite.binding", "native", PURPOSE)
    _initialised()
    system, cpu, features = processor().split(" ")
    target = binding.Target.from_triple(system)
    return target.create_target_machine(cpu=cpu, features=features, opt=OPTIMISATION, jit=True)


@functools.cache
def processor() -> str:
    """System, and name and features of this machine's processor, as LLVM writes them; it knows no features of some."""
    binding = required("llvmlite.binding", "native", PURPOSE)
    system, cpu = binding.get_default_triple(), binding.get_host_cpu_name()
    features = binding.get_host_cpu_features().flatten(), TOLD.get(system.split("-")[0], "")
    return f"{system} {cpu} {','.join(filter(None, features))}"


def _features() -> list[str]:
    return processor().split(" ")[2].split(",")


@functools.cache
def vector_bytes() -> int:
    """Bytes of this processor's widest vectors: AVX-512, AVX or 16 (SSE, NEON)."""
    return 64 if "+avx512f" in _features() else 32 if "+avx" in _features() else 16
