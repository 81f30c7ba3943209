"""LLVM IR of what XLA calls: it finds the buffers of a call and shares the groups of patients out among XLA's threads.

A group is taken by adding to a counter, so that no thread waits while there is one left. A thread that comes late finds
none and touches no buffer: what it reads besides is the call's job, memory of its own that the last to leave frees. So
the caller waits for groups that are under way, never for a thread that has not come.
"""

from __future__ import annotations

from .interface import Interface, interface

__all__ = ["CALLED", "entry"]

LINE = 64  # bytes of a cache line: counters that threads write stand apart
# Places in a job, behind the counter of what is taken.
ENDED, HOLDERS, JOINED, PATIENTS, BUFFERS = LINE, 2 * LINE, 2 * LINE + 8, 2 * LINE + 16, 2 * LINE + 24
CALLED = {  # of the C library
    "aligned_alloc": "declare ptr @aligned_alloc(i64, i64)",
    "free": "declare void @free(ptr)",
    "sched_yield": "declare i32 @sched_yield()",
}

TURNS = """
define void @{name}.turns({given}, i64 %patients, ptr %taken, ptr %ended) nounwind {{
  br label %turn
turn:
  %first = atomicrmw add ptr %taken, i64 {width} monotonic
  %more = icmp slt i64 %first, %patients
  br i1 %more, label %group, label %done
group:
  call void @{name}({given}, i64 %patients, i64 %first)
  %before = atomicrmw add ptr %ended, i64 {width} release
  br label %turn
done:
  ret void
}}"""
LEFT = """
define void @{name}.left(ptr %job) nounwind {{
  %h = getelementptr i8, ptr %job, i64 {holders}
  %before = atomicrmw sub ptr %h, i64 1 acq_rel
  %last = icmp eq i64 %before, 1
  br i1 %last, label %over, label %done
over:
  call void @free(ptr %job)
  br label %done
done:
  ret void
}}"""


def entry(name: str, inputs: int, outputs: int, counted: int, width: int, scratch: int) -> str:
    """IR of `@name.call`, which has `void name(buffers..., i64 patients, i64 first)` work on the buffers of a call, on
    `width` patients from `first` on at a time.

    The last dimension of input `counted` is the number of patients; the last output is memory to work in, `scratch`
    bytes, of which each further thread has its own. Where `@name.spare` points to a number of cores that stand idle, as
    many threads help.
    """
    api = interface()
    buffers = inputs + outputs
    size = -(-(BUFFERS + 8 * buffers) // LINE) * LINE  # of a job, before the memory its helpers work in
    scratch = -(-scratch // LINE) * LINE
    head = [
        f"@{name}.spare = global ptr null",
        *CALLED.values(),
        TURNS.format(name=name, width=width, given=_given(buffers)),
        LEFT.format(name=name, holders=HOLDERS),
        *_help(name, buffers, size, scratch),
        f"define ptr @{name}.call(ptr %frame) nounwind {{",
        *_version(api),
        *_found(api, inputs, outputs, counted),
    ]
    parts = _helpers(name, width), _job(api, name, buffers, size, scratch), _work(name, buffers)
    return "\n".join([*head, *(line for part in parts for line in part), "}"])


def _given(buffers: int) -> str:
    """The buffers as arguments."""
    return ", ".join(f"ptr %b{i}" for i in range(buffers))


def _version(api: Interface) -> list[str]:
    """Answer a call that asks for the version of the interface; go on to `execute` in any other."""
    lines = [
        f"  %e = getelementptr i8, ptr %frame, i64 {api.extension}",
        "  %extension = load ptr, ptr %e",
        "  %asked = icmp ne ptr %extension, null",
        "  br i1 %asked, label %about, label %execute",
        "about:",
        f"  %t = getelementptr i8, ptr %extension, i64 {api.extension_type}",
        "  %type = load i32, ptr %t",
        f"  %known = icmp eq i32 %type, {api.asked_type}",
        "  br i1 %known, label %answer, label %execute",
        "answer:",
        f"  %m = getelementptr i8, ptr %extension, i64 {api.metadata}",
        "  %metadata = load ptr, ptr %m",
    ]
    for place, value in ((api.answer_major, api.major), (api.answer_minor, api.minor), (api.answer_traits, 0)):
        lines.append(f"  %m{place} = getelementptr i8, ptr %metadata, i64 {place}")
        lines.append(f"  store i32 {value}, ptr %m{place}")
    return [*lines, "  ret ptr null"]


def _found(api: Interface, inputs: int, outputs: int, counted: int) -> list[str]:
    """The buffers %b0, ... and the number of %patients of a call."""
    lines, found = ["execute:"], 0
    for side, place, count in (("a", api.arguments, inputs), ("r", api.results, outputs)):
        lines.append(f"  %{side} = getelementptr i8, ptr %frame, i64 {place}")
        lines.append(f"  %{side}s = load ptr, ptr %{side}")
        for i in range(count):
            lines.append(f"  %{side}{i} = getelementptr ptr, ptr %{side}s, i64 {i}")
            lines.append(f"  %{side}{i}b = load ptr, ptr %{side}{i}")
            lines.append(f"  %{side}{i}p = getelementptr i8, ptr %{side}{i}b, i64 {api.data}")
            lines.append(f"  %b{found} = load ptr, ptr %{side}{i}p")
            found += 1
    return [
        *lines,
        f"  %rp = getelementptr i8, ptr %a{counted}b, i64 {api.rank}",
        "  %rank = load i64, ptr %rp",
        f"  %dp = getelementptr i8, ptr %a{counted}b, i64 {api.dimensions}",
        "  %dims = load ptr, ptr %dp",
        "  %last = sub i64 %rank, 1",
        "  %lp = getelementptr i64, ptr %dims, i64 %last",
        "  %patients = load i64, ptr %lp",
    ]


def _helpers(name: str, width: int) -> list[str]:
    """How many threads may help: as many as stand idle, and as there are groups besides the caller's first."""
    return [
        f"  %pointed = load ptr, ptr @{name}.spare",
        "  %pointing = icmp ne ptr %pointed, null",
        "  br i1 %pointing, label %ask, label %alone",
        "ask:",
        "  %idle32 = load atomic i32, ptr %pointed monotonic, align 4",
        "  %idle = sext i32 %idle32 to i64",
        "  %others = sub i64 %patients, 1",
        f"  %groups = sdiv i64 %others, {width}",
        "  %fewer = icmp slt i64 %groups, %idle",
        "  %helpers = select i1 %fewer, i64 %groups, i64 %idle",
        "  %some = icmp sgt i64 %helpers, 0",
        "  br i1 %some, label %share, label %alone",
    ]


def _job(api: Interface, name: str, buffers: int, size: int, scratch: int) -> list[str]:
    """The call's job, and a word to XLA's threads for each helper."""
    kept = [(PATIENTS, "i64 %patients"), *((BUFFERS + 8 * i, f"ptr %b{i}") for i in range(buffers - 1))]
    told = [(api.work_context, "ptr %context"), (api.work_task, f"ptr @{name}.help"), (api.work_data, "ptr %job")]
    return [
        "share:",
        f"  %works = mul i64 %helpers, {scratch}",
        f"  %bytes = add i64 %works, {size}",
        f"  %job = call ptr @aligned_alloc(i64 {LINE}, i64 %bytes)",
        "  %got = icmp ne ptr %job, null",
        "  br i1 %got, label %fill, label %alone",
        "fill:",
        f"  call void @llvm.memset.p0.i64(ptr %job, i8 0, i64 {size}, i1 false)",
        "  %holders = add i64 %helpers, 1",
        *_stored("job", [(HOLDERS, "i64 %holders"), *kept]),
        f"  %f = getelementptr i8, ptr %frame, i64 {api.functions}",
        "  %functions = load ptr, ptr %f",
        f"  %s = getelementptr i8, ptr %functions, i64 {api.schedule}",
        "  %schedule = load ptr, ptr %s",
        f"  %cp = getelementptr i8, ptr %frame, i64 {api.context}",
        "  %context = load ptr, ptr %cp",
        *_cleared("told", api.work_size),
        *_cleared("wrong", api.error_size),
        *_stored("told", told),
        "  br label %call",
        "call:",
        "  %n = phi i64 [ 0, %fill ], [ %n.next, %called ]",
        "  %n.next = add i64 %n, 1",
        "  %error = call ptr %schedule(ptr %told)",
        "  %refused = icmp ne ptr %error, null",
        "  br i1 %refused, label %without, label %called",
        "without:",
        *_stored("wrong", [(api.error, "ptr %error")]),
        f"  %d = getelementptr i8, ptr %functions, i64 {api.destroy}",
        "  %destroy = load ptr, ptr %d",
        "  call void %destroy(ptr %wrong)",
        f"  call void @{name}.left(ptr %job)",
        "  br label %called",
        "called:",
        "  %again = icmp slt i64 %n.next, %helpers",
        "  br i1 %again, label %call, label %work",
    ]


def _work(name: str, buffers: int) -> list[str]:
    """All groups: with the helpers, and then until theirs are done; or alone."""
    return [
        "work:",
        f"  %ended = getelementptr i8, ptr %job, i64 {ENDED}",
        f"  call void @{name}.turns({_given(buffers)}, i64 %patients, ptr %job, ptr %ended)",
        "  br label %wait",
        "wait:",
        "  %so_far = load atomic i64, ptr %ended acquire, align 8",
        "  %all = icmp sge i64 %so_far, %patients",
        "  br i1 %all, label %leave, label %yield",
        "yield:",
        "  %yielded = call i32 @sched_yield()",
        "  br label %wait",
        "leave:",
        f"  call void @{name}.left(ptr %job)",
        "  ret ptr null",
        "alone:",
        "  %counters = alloca [2 x i64], align 8",
        "  store [2 x i64] zeroinitializer, ptr %counters",
        "  %second = getelementptr i64, ptr %counters, i64 1",
        f"  call void @{name}.turns({_given(buffers)}, i64 %patients, ptr %counters, ptr %second)",
        "  ret ptr null",
    ]


def _help(name: str, buffers: int, size: int, scratch: int) -> list[str]:
    """IR of `@name.help`, which a thread of XLA's runs: work on a job in memory of its own."""
    lines = [
        f"define void @{name}.help(ptr %job) nounwind {{",
        f"  %j = getelementptr i8, ptr %job, i64 {JOINED}",
        "  %number = atomicrmw add ptr %j, i64 1 monotonic",
        f"  %before = mul i64 %number, {scratch}",
        f"  %works = getelementptr i8, ptr %job, i64 {size}",
        f"  %b{buffers - 1} = getelementptr i8, ptr %works, i64 %before",
        f"  %p = getelementptr i8, ptr %job, i64 {PATIENTS}",
        "  %patients = load i64, ptr %p",
        f"  %ended = getelementptr i8, ptr %job, i64 {ENDED}",
    ]
    for i in range(buffers - 1):
        lines.append(f"  %p{i} = getelementptr i8, ptr %job, i64 {BUFFERS + 8 * i}")
        lines.append(f"  %b{i} = load ptr, ptr %p{i}")
    return [
        *lines,
        f"  call void @{name}.turns({_given(buffers)}, i64 %patients, ptr %job, ptr %ended)",
        f"  call void @{name}.left(ptr %job)",
        "  ret void",
        "}",
    ]


def _cleared(structure: str, size: int) -> list[str]:
    """One of XLA's structures with nothing but its size, which it begins with."""
    return [
        f"  %{structure} = alloca i8, i64 {size}, align 8",
        f"  call void @llvm.memset.p0.i64(ptr %{structure}, i8 0, i64 {size}, i1 false)",
        f"  store i64 {size}, ptr %{structure}",
    ]


def _stored(structure: str, values: list[tuple[int, str]]) -> list[str]:
    """Write values (place in bytes, type and name) into a structure."""
    lines = []
    for place, value in values:
        lines.append(f"  %{structure}.{place} = getelementptr i8, ptr %{structure}, i64 {place}")
        lines.append(f"  store {value}, ptr %{structure}.{place}")
    return lines
