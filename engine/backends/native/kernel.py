"""The function that runs whole beats of many patients, as LLVM IR: a group of `width` patients at a time.

Rows of patients stand in memory as JAX lays them out, [row, patient]. A group's invariants and what it carries from
step to step stay in the first cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..straight_line import Constant, Operand, Piece
from .emitter import Emitter
from .program import SLOW, Line, NativeProgram
from .uniform import uniform

__all__ = ["Kernel"]

BYTES = {"float64": 8, "float32": 4}
ALIGN = 64  # bytes; the width of the widest vector and of a cache line


class Kernel(Emitter):
    """Writes the function's body; what a kernel with tangents does besides stands in `TangentKernel`."""

    def __init__(self, program: NativeProgram) -> None:
        super().__init__(program.dtype, program.width)
        self.program = program
        # where a variable asks for it LLVM aligns the stack, and what it spills there then crosses no cache line and no
        # page: beats with tangents take a tenth less
        self.buffers = [f"  %final = alloca ptr, align {ALIGN}"]
        self.places: dict[str, dict[int, tuple[str, str]]] = {}
        self.scratch = 0
        self.line = self.width * BYTES[self.dtype]  # bytes of a vector
        self.stride = self.samples = ""  # steps from sample to sample, and how many there are, where some are recorded

    def written(self) -> list[str]:
        """All lines of the body."""
        program = self.program
        self.label("entry")
        self.spaces = self._buffer("spaces", program.parameters + program.state)
        for part in ("carried", "next"):
            self._buffer(part, program.carried)
        self._tangent_buffers()
        steps, beats = (self.put(f"load i32, ptr {self.at('%counts', i, 'i32')}, align 4") for i in (0, 1))
        self.steps = self.spread(steps, "i32")
        if program.samples is not None:
            self.stride = self.put(f"load i32, ptr {self.at('%counts', 2, 'i32')}, align 4")
            samples = self.put(f"load i32, ptr {self.at('%counts', 3, 'i32')}, align 4")
            self.samples = self.put(f"zext i32 {samples} to i64")
        self._group("%first", steps, beats)
        self.lines.append("  ret void")
        return [self.lines[0], *self.buffers, *self.lines[1:]]

    def _buffer(self, name: str, vectors: int) -> str:
        """A part of the scratch memory, by its name."""
        self.buffers.append(f"  %{name} = getelementptr inbounds i8, ptr %scratch, i64 {self.scratch}")
        self.scratch += -(-vectors * self.line // ALIGN) * ALIGN
        return f"%{name}"

    def _counted(self, name: str, end: str, by: int, inside: Callable[[str], None], kind: str = "i32") -> None:
        """for (i = 0; i < end; i += by) inside(i); the block before has branched to `name`."""
        before = self._here()
        self.label(name)
        place = len(self.lines)
        self.lines.append("")
        self.lines.append(f"  %{name}.more = icmp slt {kind} %{name}.i, {end}")
        self.lines.append(f"  br i1 %{name}.more, label %{name}.body, label %{name}.done")
        self.label(f"{name}.body")
        inside(f"%{name}.i")
        last = self._here()
        self.lines.append(f"  %{name}.next = add {kind} %{name}.i, {by}")
        self.lines.append(f"  br label %{name}")
        self.lines[place] = f"  %{name}.i = phi {kind} [ 0, %{before} ], [ %{name}.next, %{last} ]"
        self.label(f"{name}.done")

    def _here(self) -> str:
        """Name of the block that is being written."""
        return next(line[:-1] for line in reversed(self.lines) if line.endswith(":"))

    def tables(self) -> list[str]:
        """Constants that stand before the function."""
        return []

    # One group of patients

    def _group(self, first: str, steps: str, beats: str) -> None:
        program = self.program
        for i in range(program.parameters + program.state):
            rows, row = ("%rows", i) if i < program.parameters else ("%start", i - program.parameters)
            self.store(self.load(self._row(rows, str(row), first), align=8), self.at(self.spaces, i))
        self._prologue("onset", program.onset)
        self._prologue("step", program.step)
        if program.samples is not None:
            self._prologue("samples", program.samples)
        self.lines.append("  br label %beats")
        self._counted("beats", beats, 1, lambda _: self._beat(steps))
        ends = self._end(self.load("%final", "ptr"))
        for i, value in enumerate(ends[: program.state]):
            self.store(value, self._row("%state", str(i), first), align=8)
        for i, value in enumerate(ends[program.state :]):
            self.store(value, self._row("%values", str(i), first), align=8)
        self._tangents_out(first)

    def _row(self, rows: str, row: str, first: str) -> str:
        """Pointer to a group's part of a row."""
        start = self.put(f"mul i64 {row}, %patients")
        return self.at(rows, self.put(f"add i64 {start}, {first}"), self.scalar)

    def _prologue(self, name: str, line: Line) -> None:
        """Compute what does not change in the loop and keep it in memory."""
        self._inputs(line)
        self.run(line.line.prologue)
        kept = line.line.kept()
        space = self._buffer(f"{name}.kept", len(kept))
        places = {}
        for i, value in enumerate(kept):
            places[value] = self.at(space, i)
            self.store(self.read(value), places[value], self.types[value])
        self.places[name] = {value: (place, self.types[value]) for value, place in places.items()}

    def _inputs(self, line: Line) -> None:
        """Parameter rows and the number of steps as inputs of a line."""
        self.held, self.kept, self.types = {}, {}, {}
        for i in range(self.program.parameters):
            self.keep(i, self.at(self.spaces, i), self.vector)
        self.hold(self.program.parameters, self.steps, f"<{self.width} x i32>")

    def _within(self, name: str) -> None:
        """Only what a prologue kept is known."""
        self.held, self.kept, self.types = {}, {}, {}
        for value, (pointer, kind) in self.places[name].items():
            self.keep(value, pointer, kind)

    def _beat(self, steps: str) -> None:
        program = self.program
        self._within("onset")
        first = program.parameters + 1
        for i in range(program.state):
            self.keep(first + i, self.at(self.spaces, program.parameters + i), self.vector)
        self.run(program.onset.line.body)
        for i, operand in enumerate(program.onset.line.outputs[: program.onset.size]):
            self.store(self.read(operand), self.at("%carried", i))
        self._seeded()
        if program.samples is not None:
            self._sample(program.samples, "%carried", "0")
        begun = self._here()
        self.lines.append("  br label %steps")
        self.label("steps")
        place = len(self.lines)
        self.lines += [""] * 3
        self.lines.append(f"  %more = icmp slt i32 %k, {steps}")
        self.lines.append("  br i1 %more, label %step, label %stepped")
        self.label("step")
        self._step()
        last = self._here()
        self.lines += ["  %k.next = add i32 %k, 1", "  br label %steps"]
        self.lines[place] = f"  %k = phi i32 [ 0, %{begun} ], [ %k.next, %{last} ]"
        self.lines[place + 1] = f"  %now = phi ptr [ %carried, %{begun} ], [ %after, %{last} ]"
        self.lines[place + 2] = f"  %after = phi ptr [ %next, %{begun} ], [ %now, %{last} ]"
        self.label("stepped")
        self.store("%now", "%final", "ptr")
        for i, value in enumerate(self._end("%now")[: program.state]):
            self.store(value, self.at(self.spaces, program.parameters + i))

    def _end(self, carried: str) -> list[str]:
        """State rows and reductions of what is carried."""
        line = self.program.end
        self.held, self.kept, self.types = {}, {}, {}
        for i in range(self.program.carried):
            self.keep(i, self.at(carried, i), self.vector)
        self.run((*line.line.prologue, *line.line.body))
        return [self.read(o) for o in line.line.outputs[: line.size]]

    def _step(self) -> None:
        program = self.program
        self._within("step")
        first = program.parameters + 1
        for i in range(program.carried):
            self.keep(first + i, self.at("%now", i), self.vector)
        self.hold(first + program.carried, self.spread("%k", "i32"), f"<{self.width} x i32>")
        line, size = program.step.line, program.step.size
        body = self._body()
        sinks: dict[int, list[str]] = {}
        for i, operand in enumerate(line.outputs[:size]):
            if isinstance(operand, int) and operand not in self.kept:
                sinks.setdefault(operand, []).append(self.at("%after", i))
        self._slots(line.outputs[size:], sinks)
        self.sinks = sinks
        self.run(body)
        self.sinks = {}
        for i, operand in enumerate(line.outputs[:size]):
            if isinstance(operand, Constant) or operand in self.kept:
                self.store(self.read(operand), self.at("%after", i))
        self._pushed()
        if program.samples is not None:
            self._sampled(program.samples)

    def _sampled(self, line: Line) -> None:
        """Record the node after the step where it is a whole number of strides from onset."""
        done = self.put("add i32 %k, 1")
        left = self.put(f"urem i32 {done}, {self.stride}")
        self.lines.append(f"  br i1 {self.put(f'icmp eq i32 {left}, 0')}, label %sample, label %sampled")
        self.label("sample")
        number = self.put(f"udiv i32 {done}, {self.stride}")
        self._sample(line, "%after", self.put(f"zext i32 {number} to i64"))
        self.lines.append("  br label %sampled")
        self.label("sampled")

    def _sample(self, line: Line, carried: str, number: str) -> None:
        """Signals of what is carried to memory, as the sample of this number: [signal, sample, patient]."""
        self._within("samples")
        for i in range(self.program.carried):
            self.keep(self.program.parameters + 1 + i, self.at(carried, i), self.vector)
        self.run(line.line.body)
        for i, operand in enumerate(line.line.outputs):
            row = self.put(f"add i64 {self.put(f'mul i64 {self.samples}, {i}')}, {number}")
            self.store(self.read(operand), self._row("%waves", row, "%first"), align=8)

    def _body(self) -> Iterable[Piece]:
        """What of a step is left to run, in order, once what follows from its number alone is made: for `width` steps
        at a time."""
        program, line = self.program, self.program.step.line
        steps, step = program.parameters, program.parameters + 1 + program.carried
        found = uniform(line, frozenset((steps, step)), self.dtype, SLOW)
        if not found.values:
            return line.body
        space, before, used = self._buffer("table", len(found.values)), dict(self.held), dict(self.used)
        place = self.put(f"and i32 %k, {self.width - 1}")
        self.lines.append(f"  br i1 {self.put(f'icmp eq i32 {place}, 0')}, label %table.new, label %table.old")
        self.label("table.new")
        lanes = ", ".join(f"i32 {lane}" for lane in range(self.width))
        kind = f"<{self.width} x i32>"
        self.hold(step, self.put(f"add {kind} {self.held[step]}, <{lanes}>"), kind)
        self.run(found.operations)
        for i, value in enumerate(found.values):
            self.store(self.read(value), self.at(space, i))
        self.lines.append("  br label %table.old")
        self.label("table.old")
        self.held, self.used = before, used
        place = self.put(f"zext i32 {place} to i64")
        for i, value in enumerate(found.values):
            self.keep(value, self.at(self.at(space, i), place, self.scalar), self.scalar)
        return found.body

    # What a kernel with tangents adds

    def _tangent_buffers(self) -> None:
        """Memory for tangents."""

    def _seeded(self) -> None:
        """Tangents at onset."""

    def _slots(self, operands: tuple[Operand, ...], sinks: dict[int, list[str]]) -> None:
        """Places for the derivatives of a step."""

    def _pushed(self) -> None:
        """Tangents through a step."""

    def _tangents_out(self, first: str) -> None:
        """Tangents of the results to memory."""
