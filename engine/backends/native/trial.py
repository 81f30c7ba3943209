"""A small known function sent through XLA once, before any patient's beat is: does native code answer here?"""

from __future__ import annotations

import ctypes
import hashlib
import platform
import sys

import jax
import jax.numpy as jnp
import numpy as np

from ....core.errors import HemotwinError
from ....core.extras import required
from ....core.install import command
from .entry import CALLED, entry
from .handler import PURPOSE, registered

__all__ = ["obstacle", "trial"]

# first[i] + 2 second[i] + count[1] for every patient: each buffer, and its place among the others, shows in the answer
FUNCTION = """
define void @{name}(ptr %first, ptr %second, ptr %count, ptr %out, ptr %own, i64 %patients, i64 %i) nounwind {{
  %c = getelementptr i32, ptr %count, i64 1
  %whole = load i32, ptr %c
  %added = sitofp i32 %whole to float
  %pa = getelementptr float, ptr %first, i64 %i
  %a = load float, ptr %pa
  %pb = getelementptr float, ptr %second, i64 %i
  %b = load float, ptr %pb
  %twice = fmul float %b, 2.0
  %ab = fadd float %a, %twice
  store float %ab, ptr %own
  %own_ab = load float, ptr %own
  %abc = fadd float %own_ab, %added
  %po = getelementptr float, ptr %out, i64 %i
  store float %abc, ptr %po
  ret void
}}
"""
PATIENTS, COUNTS, SCRATCH = 5, (7, 100), 4
LLVM = 20  # the first that is tried (llvmlite 0.45); what comes with 0.44 cannot read the code


def trial(function: str = FUNCTION) -> str:
    """What is wrong with the answer of `function`, or "" where it is right; whatever stops it is raised."""
    written = lambda name: function.format(name=name) + entry(name, 3, 2, 1, 1, SCRATCH)  # noqa: E731
    name = "hemotwin_trial_" + hashlib.sha256(written("trial").encode()).hexdigest()[:16]
    registered(name, lambda: written(name))
    first, second = (np.arange(start, start + PATIENTS, dtype=np.float32)[None] for start in (1.0, 30.0))
    given = first, second, np.array(COUNTS, np.int32)
    shape = jax.ShapeDtypeStruct(first.shape, jnp.float32)
    shapes = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in given]
    # compiled ahead of time: this may be asked while another program is traced
    ends = [shape, jax.ShapeDtypeStruct((SCRATCH,), jnp.uint8)]
    run = jax.jit(lambda *values: jax.ffi.ffi_call(name, ends)(*values)[0]).lower(*shapes).compile()
    found = np.asarray(run(*given))
    expected = first + 2.0 * second + COUNTS[1]
    return "" if np.array_equal(found, expected) else f"a test function answered {found[0]}, not {expected[0]}"


def obstacle() -> str:
    """Why native code cannot run on this CPU, with this jaxlib and llvmlite, or "" where it can."""
    if sys.maxsize < 2**32 or sys.byteorder != "little":
        return "the machine is not a 64-bit one with the low byte first"
    if platform.system() == "Windows":
        return "Windows is not tried"
    here = ctypes.CDLL(None)  # LLVM ends a process in which it does not find what its code calls
    lacking = [name for name in CALLED if not hasattr(here, name)]
    if lacking:
        return f"the system's C library lacks {', '.join(lacking)}"
    binding = required("llvmlite.binding", "native", PURPOSE)
    if binding.llvm_version_info[0] < LLVM:
        return f"llvmlite brings LLVM {binding.llvm_version_info[0]}, and {LLVM} is needed: {command('native')}"
    try:
        return trial()
    except HemotwinError as error:
        return str(error)
    except Exception as error:  # whatever LLVM or XLA refuses it with: XLA alone serves, and the reason is told
        return f"a test function did not run ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
