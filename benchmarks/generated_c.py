"""How near is the engine to C? One beat of 16,384 patients, as hemotwin runs it and as C generated from the same step.

The C is what a compiler makes of the same lines without hemotwin's own tricks: gcc -O3 -march=native -ffast-math, its
vector types and vector library, OpenMP over groups of patients, every operation in every step. Both in float32, on the
same cores, with the same 12 observables reduced, in turns; the adult and the Regazzoni loop, answers compared. Of the
Regazzoni loop both published sets, which differ in their values and in nothing that is computed: set B, as in
`throughput.py`, where svZeroDSolver runs it too, and set A, as in `work_precision.py`.
"""

from __future__ import annotations

import ctypes
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax.numpy as jnp
import numpy as np
from bars import Bars
from throughput import OBSERVED, beat_in_blocks

from hemotwin.engine.backends.native.handler import vector_bytes
from hemotwin.engine.backends.native.program import Line, NativeProgram, native_program
from hemotwin.engine.backends.straight_line import Constant, Operand, Operation
from hemotwin.engine.beat import BeatMap
from hemotwin.engine.forward import equal_start
from hemotwin.engine.machine import cores
from hemotwin.engine.precision import double
from hemotwin.physiology.model import circulation
from hemotwin.physiology.observable import Observer

PATIENTS, SPREAD, SEED, ROUNDS = 16_384, 0.1, 3, 7
LIMIT = 2.5  # times the time of C
LETTER = {16: "e", 8: "d", 4: "b"}  # of gcc's vector library by lanes of float32: AVX-512, AVX2, SSE
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")
ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
COMPARED = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}
LOGIC = {"and": "&", "or": "|", "xor": "^"}


def expression(operation: Operation, read: list[str], letter: str, width: int) -> str:
    """C of one operation on vectors; masks are vectors of whole numbers, all bits set or none."""
    name, real = operation.name, operation.dtype.startswith("float")
    if name in ARITHMETIC:
        return f"{read[0]} {ARITHMETIC[name]} {read[1]}"
    if name in COMPARED:
        return f"{read[0]} {COMPARED[name]} {read[1]}"
    if name in LOGIC:
        return f"{read[0]} {LOGIC[name]} {read[1]}"
    if name == "select_n":
        return f"pick({read[0]}, {read[2]}, {read[1]})"
    if name in ("max", "min"):
        return f"pick({read[0]} {'>' if name == 'max' else '<'} {read[1]}, {read[0]}, {read[1]})"
    if name == "convert_element_type" and real:
        return f"__builtin_convertvector({read[0]}, real)"
    if name == "integer_pow":
        power = dict(operation.params)["y"]
        product = " * ".join([read[0]] * abs(power))
        return product if power > 0 else f"1.0f / ({product})"
    if name in ("exp", "log", "cos", "sin", "tanh"):
        return f"_ZGV{letter}N{width}v_{name}f({read[0]})"
    if name == "pow":
        return f"_ZGV{letter}N{width}vv_powf({read[0]}, {read[1]})"
    simple = {"neg": "-{0}", "reciprocal": "1.0f / {0}", "not": "~{0}", "square": "{0} * {0}", "stop_gradient": "{0}",
              "abs": "pick({0} < 0.0f, -{0}, {0})", "sqrt": "root({0})", "floor": "lower({0})"}  # fmt: skip
    return simple[name].format(*read)


class Writer:
    """Writes the lines of a program as C."""

    def __init__(self, program: NativeProgram) -> None:
        self.program, self.width = program, program.width
        self.lines: list[str] = []
        self.names: dict[int, str] = {}
        self.prefix = ""
        self.kept: dict[str, dict[int, str]] = {}  # what the prologue of each line has made

    def read(self, operand: Operand) -> str:
        """A value's name, or a number in every lane."""
        if not isinstance(operand, Constant):
            return self.names[operand]
        if operand.dtype.startswith("float"):
            value = float(operand.value)
            return f"({'-' if value < 0 else ''}{'INFINITY' if np.isinf(value) else repr(abs(value)) + 'f'} + zero)"
        return f"({-int(operand.value) if operand.dtype == 'bool' else int(operand.value)} + none)"

    def run(self, pieces: Any) -> None:
        """All operations, those of rare parts too; what several of these make is made once."""
        for piece in pieces:
            for one in getattr(piece, "operations", (piece,)):
                if one.output in self.names:
                    continue
                kind = "real" if one.dtype.startswith("float") else "whole"
                name = f"{self.prefix}{one.output}"
                code = expression(one, [self.read(i) for i in one.inputs], LETTER[self.width], self.width)
                self.lines.append(f"const {kind} {name} = {code};")
                self.names[one.output] = name

    def part(self, prefix: str, line: Line, names: dict[int, str], body: bool) -> None:
        """The prologue or the body of a line, whose inputs have these names."""
        self.prefix = prefix
        self.names = {**(self.kept[prefix] if body else {}), **names}
        self.run(line.line.body if body else line.line.prologue)
        if not body:
            self.kept[prefix] = dict(self.names)

    def written(self) -> str:
        """The whole file."""
        p, w = self.program, self.width
        rows = {i: f"q{i}" for i in range(p.parameters)} | {p.parameters: "steps"}
        first = p.parameters + 1
        out = self.lines
        out += [f"const real q{i} = *(const packed *)(rows + {i}L * patients + g);" for i in range(p.parameters)]
        self.part("o", p.onset, rows, False)
        self.part("s", p.step, rows, False)
        out += [f"real x{i} = *(const packed *)(start + {i}L * patients + g);" for i in range(p.state)]
        self.part("o", p.onset, {first + i: f"x{i}" for i in range(p.state)}, True)
        out += [f"real c{i} = {self.read(o)};" for i, o in enumerate(p.onset.line.outputs)]
        out += ["for (int n = 0; n < number; ++n) {", "const whole k = n + none;"]
        self.part("s", p.step, {first + i: f"c{i}" for i in range(p.carried)} | {first + p.carried: "k"}, True)
        out += [f"const real d{i} = {self.read(o)};" for i, o in enumerate(p.step.line.outputs)]
        out += [*(f"c{i} = d{i};" for i in range(p.carried)), "}"]
        self.prefix, self.names = "e", {i: f"c{i}" for i in range(p.carried)}
        self.run((*p.end.line.prologue, *p.end.line.body))
        for i, operand in enumerate(p.end.line.outputs):
            place = f"state + {i}L" if i < p.state else f"values + {i - p.state}L"
            out.append(f"*(packed *)({place} * patients + g) = {self.read(operand)};")
        functions = [f"real _ZGV{LETTER[w]}N{w}v_{f}f(real);" for f in ("exp", "log", "cos", "sin", "tanh")]
        each = "for (int l = 0; l < WIDTH; ++l) y[l] = {0}f(x[l]);"
        return "\n".join([
            "#include <math.h>", f"#define WIDTH {w}",
            f"typedef float real __attribute__((vector_size({4 * w})));",
            f"typedef float packed __attribute__((vector_size({4 * w}), aligned(4)));",
            f"typedef int whole __attribute__((vector_size({4 * w})));",
            *functions, f"real _ZGV{LETTER[w]}N{w}vv_powf(real, real);",
            "static inline real pick(whole m, real a, real b) { return (real)((m & (whole)a) | (~m & (whole)b)); }",
            f"static inline real root(real x) {{ real y; {each.format('sqrt')} return y; }}",
            f"static inline real lower(real x) {{ real y; {each.format('floor')} return y; }}",
            "void beat(const float *rows, const float *start, float *state, float *values, long patients,",
            "          int number) {",
            "const real zero = {0}; const whole none = {0}; const whole steps = number + none;",
            "#pragma omp parallel for schedule(static)", "for (long g = 0; g < patients; g += WIDTH) {", *out, "}", "}",
        ])  # fmt: skip


def compiled_c(program: NativeProgram, folder: Path) -> Any:
    """The function `beat` of the generated C."""
    source, library = folder / "beat.c", folder / "beat.so"
    source.write_text(Writer(program).written())
    subprocess.run(["gcc", *FLAGS, str(source), "-o", str(library), "-lmvec", "-lm"], check=True)
    function = ctypes.CDLL(str(library)).beat
    function.restype, pointer = None, ctypes.c_void_p
    function.argtypes = [pointer, pointer, pointer, pointer, ctypes.c_long, ctypes.c_int]
    return function


def compare(bars: Bars, name: str, folder: Path) -> None:
    """One circulation: both answers, then both times in turns."""
    model = circulation(name)
    beat = BeatMap(model.system, Observer(model.system, OBSERVED).reductions)
    typical = model.system.parameters.pack(model.values)
    rng = np.random.default_rng(SEED)
    rows = np.asarray(typical * np.exp(SPREAD * rng.standard_normal((len(typical), PATIENTS))), np.float32)
    with double(False):
        start = np.array(equal_start(beat.system, jnp.asarray(rows)))
        run = lambda: beat_in_blocks(beat, rows, start, model.steps)  # noqa: E731
        program = native_program(beat, "float32", vector_bytes() // 4, None)
        began = time.perf_counter()
        in_c = compiled_c(program, folder)
        bars.figure(f"{name}.c.compile", time.perf_counter() - began, "s, gcc")
        state, values = np.empty_like(start), np.empty((len(beat.reductions), PATIENTS), np.float32)
        address = [x.ctypes.data for x in (rows, start, state, values)]
        c = lambda: in_c(*address, PATIENTS, model.steps)  # noqa: E731
        found = run()
        c()
        apart = float(np.nanmax(np.abs(np.asarray(found[0]) - state)))
        bars.most(f"{name}.c.apart", apart, 0.5, "mL or mL/s after one beat in float32: the same beat")
        spent: dict[str, list[float]] = {"hemotwin": [], "c": []}
        for _ in range(ROUNDS):
            for label, one in (("hemotwin", run), ("c", c)):
                began = time.perf_counter()
                one()
                spent[label].append(time.perf_counter() - began)
    ours, theirs = (1e6 * statistics.median(spent[label]) / PATIENTS for label in ("hemotwin", "c"))
    bars.figure(f"{name}.hemotwin", ours, "us per patient-beat")
    bars.figure(f"{name}.c", theirs, "us per patient-beat")
    bars.most(f"{name}.over_generated_c", ours / theirs, LIMIT, "x")


def main() -> int:
    """Compare and report; 1 when a bar is missed."""
    bars = Bars("generated_c", __doc__ or "")
    if shutil.which("gcc") is None or vector_bytes() // 4 not in LETTER:
        print("generated_c: skipped, it needs gcc with its vector library on an x86-64 processor")
        return 0
    bars.figure("cores", cores().usable)
    for name in ("adult", "regazzoni_2022_b", "regazzoni_2022_a"):
        with tempfile.TemporaryDirectory() as folder:
            compare(bars, name, Path(folder))
    return bars.finish()


if __name__ == "__main__":
    sys.exit(main())
