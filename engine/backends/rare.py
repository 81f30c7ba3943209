"""Parts of a step that only few lanes need, set apart so that a group of lanes none of which needs one passes it by.

`with_rare` finds them: the flow in the step in which a valve opens or closes, the vertex where a curve turns. `chosen`
puts the choice between what a part makes and what stands without it into the part, so that passing by chooses for
nothing. `gathered_rare` puts parts that need not wait for each other at one place, where one vote of the group tells
which of them run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from .demand import chooses, demands
from .straight_line import ISSUED, Operand, Operation, Piece, Rare, StraightLine, Votes, operations_of

__all__ = ["SMALLEST_PLACE", "chosen", "gathered_rare", "with_rare"]

SMALLEST_RARE = 6  # instructions of a GPU; fewer are not worth a vote of the warp and a branch
SMALLEST_PLACE = 48  # instructions of all parts at one place that are worth its vote
MOST_PARTS = 5  # at one place: so many counts of up to 32 lanes are bits of one 32-bit number
Costs = Mapping[str, Mapping[str, int]]  # type -> operation -> instructions


def _size(operations: Iterable[Operation], costs: Costs) -> int:
    return sum(costs.get(o.dtype, {}).get(o.name, 1) for o in operations)


def with_rare(line: StraightLine, least: int = SMALLEST_RARE, costs: Costs = ISSUED) -> StraightLine:
    """The line with what is read only where a predicate holds (the second choice of a select) set apart, in parts of
    `least` instructions or more; `costs` says of how many an operation is, where it is not one."""
    body = [piece for piece in line.body if isinstance(piece, Operation)]
    pieces: list[Piece] = [*body]
    members: dict[int, dict[int, Operation]] = {}
    demand = demands(body, line.outputs, implied=False)
    for operation in body:
        for predicate, holds in demand.get(operation.output, ()):
            if holds:
                members.setdefault(predicate, {})[operation.output] = operation
    fixed, placed = frozenset(line.kept()), set[int]()
    for predicate, found in members.items():
        left = {i for i in found if i not in placed}
        if predicate not in fixed and _size((found[i] for i in left), costs) >= least:
            pieces, taken = _set_apart(pieces, predicate, left, least, costs)
            placed |= taken
    return dataclasses.replace(line, body=tuple(pieces))


def _set_apart(
    pieces: list[Piece], predicate: int, members: set[int], least: int, costs: Costs
) -> tuple[list[Piece], set[int]]:
    """The body with one rare part for this predicate, and what went there; nothing where that would be too small.

    A member that reads what depends on the part's own outputs stays outside, so that the part runs at one place; so
    does one that the predicate waits for, by way of another part that reads it.
    """
    first: set[Operand] = {predicate}
    for piece in reversed(pieces):
        if not piece.makes.isdisjoint(first):
            first |= piece.reads
    members = members - first
    early: dict[int, Operation] = {}
    after: set[int] = set()
    for piece in pieces:
        reads = piece.reads
        depends = not reads.isdisjoint(after)
        if not depends and isinstance(piece, Operation) and piece.output in members:
            early[piece.output] = piece
        elif depends or not reads.isdisjoint(early):
            after |= piece.makes
    if _size(early.values(), costs) < least:
        return pieces, set()
    rest = [piece for piece in pieces if piece.makes.isdisjoint(early)]
    read = set[Operand]().union(*(piece.reads for piece in rest))
    return _placed(rest, Rare(predicate, tuple(early.values()), tuple(i for i in early if i in read)), 0), set(early)


def chosen(line: StraightLine) -> StraightLine:
    """The line with selects between a part's value and another one moved into the part; where it is passed by, its
    output is the other one. A select stays outside where the other value follows from the part itself."""
    pieces = list(line.body)
    for part in line.body:
        if isinstance(part, Rare):
            pieces = _with_choices(part, pieces, line.outputs)
    return dataclasses.replace(line, body=tuple(pieces))


def _with_choices(part: Rare, pieces: list[Piece], outputs: Iterable[Operand]) -> list[Piece]:
    """The pieces with the choices that can be made inside this part there."""
    inside: dict[int, Operation] = {}
    follows = set(part.outputs)
    place = next(n for n, piece in enumerate(pieces) if piece is part)
    for piece in pieces[place + 1 :]:
        if follows.isdisjoint(piece.reads):
            continue
        if isinstance(piece, Operation) and _of_part(piece, part) and piece.inputs[1] not in follows:
            inside[piece.output] = piece
        follows |= piece.makes
    if not inside:
        return pieces
    others = [p for p in pieces if p is not part and not (isinstance(p, Operation) and p.output in inside)]
    read = set(outputs).union(*(p.reads for p in others))
    more = Rare(
        part.predicate, (*part.operations, *inside.values()), (*(i for i in part.outputs if i in read), *inside),
        tuple((i, o.inputs[1]) for i, o in inside.items()),
    )  # fmt: skip
    return _placed(others, more, place)


def _of_part(operation: Operation, part: Rare) -> bool:
    """Whether an operation chooses what a part makes where the part's predicate holds."""
    return chooses(operation) and operation.inputs[0] == part.predicate and operation.inputs[2] in part.outputs


def _placed(pieces: list[Piece], part: Rare, place: int) -> list[Piece]:
    """The pieces with `part` at `place`, or behind the last of what it reads; what reads it goes behind it."""
    last = max((n + 1 for n, piece in enumerate(pieces) if not piece.makes.isdisjoint(part.reads)), default=0)
    last, follows = max(last, place), set[Operand](part.makes)
    before: list[Piece] = []
    behind: list[Piece] = []
    for piece in pieces[:last]:
        if piece.reads.isdisjoint(follows):
            before.append(piece)
        else:
            follows |= piece.makes
            behind.append(piece)
    return [*before, part, *behind, *pieces[last:]]


def gathered_rare(line: StraightLine, costs: Costs = ISSUED, least: int = 0) -> StraightLine:
    """The line with all rare parts of one depth at one place, where one vote tells which of them somebody needs.

    The depth of a value is the largest number of votes on a way to it: parts of one depth never wait for each other's
    votes. A part that reads another's outputs as they are, with nothing between, runs after it at the same depth.
    Parts that read one another, or of which one repeats half of another, run together for lanes that need any of them,
    and so do the least where there are more than `MOST_PARTS`. What a part makes in a lane that does not need it is not
    read. Where all parts of a depth are of less than `least` instructions together, they run always, without a vote.
    """
    plain, parts = _by_depth(line)
    size = {level: _size((o for part in found for o in part.operations), costs) for level, found in parts.items()}
    if small := [part for level, found in parts.items() if size[level] < least for part in found]:
        line = _always(line, small)
        plain, parts = _by_depth(line)
    number = max(o.output for o in operations_of(line)) + 1
    body: list[Piece] = []
    for level in range(max((*plain, *parts), default=-1) + 1):
        body += plain.get(level, [])
        together = []
        for group in _groups(parts.get(level, []), costs):
            votes = list(dict.fromkeys(part.predicate for part in group))
            for vote in votes[1:]:
                body.append(Operation("or", (votes[0], vote), number, "bool"))
                votes[0], number = number, number + 1
            together.append(_together(votes[0], group))
        if together:
            outputs, otherwise = _ends(together)
            body.append(together[0] if len(together) == 1 else Votes(tuple(together), outputs, otherwise))
    return dataclasses.replace(line, body=tuple(_pruned(body, line.outputs)))


def _by_depth(line: StraightLine) -> tuple[dict[int, list[Operation]], dict[int, list[Rare]]]:
    """Operations outside of rare parts, and rare parts, by their depth."""
    depth: dict[Operand, int] = {}
    level_of: dict[Operand, int] = {}
    plain: dict[int, list[Operation]] = {}
    parts: dict[int, list[Rare]] = {}
    for piece in line.body:
        if isinstance(piece, Rare):
            found = [level_of.get(i, depth.get(i, 0)) for i in piece.reads if i != piece.predicate]
            level = max(depth.get(piece.predicate, 0), *found, 0)
            parts.setdefault(level, []).append(piece)
            depth |= dict.fromkeys(piece.outputs, level + 1)
            level_of |= dict.fromkeys(piece.outputs, level)
        elif isinstance(piece, Operation):
            depth[piece.output] = max((depth.get(i, 0) for i in piece.inputs), default=0)
            plain.setdefault(depth[piece.output], []).append(piece)
    return plain, parts


def _always(line: StraightLine, parts: list[Rare]) -> StraightLine:
    """The line with these parts' operations outside, each once."""
    body: dict[int, Piece] = {}
    for piece in line.body:
        alone = isinstance(piece, Rare) and any(piece is part for part in parts)
        for one in piece.operations if isinstance(piece, Rare) and alone else (piece,):
            body.setdefault(min(one.makes, default=-1), one)
    return dataclasses.replace(line, body=tuple(body.values()))


def _groups(parts: list[Rare], costs: Costs) -> list[list[Rare]]:
    """The parts of one depth, in the groups that run together."""
    groups: list[list[Rare]] = []
    for part in parts:
        with_it = [group for group in groups if any(_belong(other, part, costs) for other in group)]
        alone = [group for group in groups if not any(group is other for other in with_it)]
        groups = [*alone, [*(p for group in with_it for p in group), part]]
    cost = lambda group: sum(_size(part.operations, costs) for part in group)  # noqa: E731
    while len(groups) > MOST_PARTS:
        least, second, *others = sorted(groups, key=cost)
        joined = {id(part) for part in (*least, *second)}
        groups = [*others, [part for part in parts if id(part) in joined]]
    return groups


def _belong(part: Rare, other: Rare, costs: Costs) -> bool:
    """Whether one reads what the other makes, or repeats half of it."""
    if not other.reads.isdisjoint(part.outputs) or not part.reads.isdisjoint(other.outputs):
        return True
    common = set(part.operations) & set(other.operations)
    return 2 * _size(common, costs) >= min(_size(p.operations, costs) for p in (part, other))


def _together(predicate: int, parts: list[Rare]) -> Rare:
    """Several parts as one, the later of which may read what the earlier ones make."""
    operations = {o.output: o for part in parts for o in part.operations}
    return Rare(predicate, tuple(operations.values()), *_ends(parts))


def _ends(parts: list[Rare]) -> tuple[tuple[int, ...], tuple[tuple[int, Operand], ...]]:
    """Outputs of several parts, and what these are where none of them runs."""
    made = {o.output for part in parts for o in part.operations}
    otherwise: dict[int, Operand] = {}
    for part in parts:
        for output, value in part.otherwise:
            before = otherwise.get(value, value) if isinstance(value, int) else value
            if before not in made:
                otherwise[output] = before
    return tuple(dict.fromkeys(i for part in parts for i in part.outputs)), tuple(otherwise.items())


def _pruned(body: list[Piece], outputs: Iterable[Operand]) -> list[Piece]:
    """The body with no outputs of rare parts that nothing else reads."""
    read = {i for piece in body for i in piece.reads}.union(outputs)
    short = lambda piece, read: {  # noqa: E731
        "outputs": tuple(i for i in piece.outputs if i in read),
        "otherwise": tuple((i, v) for i, v in piece.otherwise if i in read),
    }
    found: list[Piece] = []
    for piece in body:
        if isinstance(piece, Votes):
            parts = []
            for part in piece.parts:
                beside = {i for other in piece.parts if other is not part for i in other.reads}
                parts.append(dataclasses.replace(part, **short(part, read | beside)))
            piece = dataclasses.replace(piece, parts=tuple(parts), **short(piece, read))
        elif isinstance(piece, Rare):
            piece = dataclasses.replace(piece, **short(piece, read))
        found.append(piece)
    return found
