"""A step in another order is the same step: each operation once, after what it reads, and fewer values wait."""

from __future__ import annotations

import pytest

from hemotwin.core.errors import HemotwinError
from hemotwin.engine.backends.native.piece_order import ordered_body
from hemotwin.engine.backends.native.program import native_program
from hemotwin.engine.backends.straight_line import Constant, Operation, Piece, Rare, StraightLine
from hemotwin.engine.beat import BeatMap
from hemotwin.physiology.model import circulation
from tests.engine.kernels import small_beat


def line_of(*body: Piece, outputs: tuple[int, ...], inputs: int = 2) -> StraightLine:
    return StraightLine(0, inputs, (), body, outputs)


def made(value: int, *inputs: int) -> Operation:
    return Operation("add", inputs, value, "float64")


def most_waiting(line: StraightLine, body: tuple[Piece, ...]) -> int:
    """The largest number of values that are made and still to be read."""
    last = {value: n for n, piece in enumerate(body) for value in piece.reads}
    births = {value: n for n, piece in enumerate(body) for value in piece.makes}
    return max(sum(births[v] <= n < last.get(v, -1) for v in births) for n in range(len(body)))


@pytest.mark.parametrize("name", ["small loop", "regazzoni_2022_b"])
def test_each_piece_stands_once_and_after_those_that_it_reads(name: str):
    beat = small_beat() if name == "small loop" else BeatMap(circulation(name).system)
    line = native_program(beat, "float64", 8, (0, 1)).step.line
    body = ordered_body(line)
    assert sorted(map(id, body)) == sorted(map(id, line.body))
    known = set(range(line.inputs)) | {o.output for o in line.prologue}
    for piece in body:
        assert {i for i in piece.reads if isinstance(i, int)} <= known
        known |= piece.makes
    assert most_waiting(line, body) < 0.7 * most_waiting(line, line.body)


def test_what_is_read_once_is_read_where_it_is_made():
    """Three sums of which each is read by one more: traced all first, then their readers."""
    firsts, seconds = [made(2 + n, 0, 1) for n in range(3)], [made(5 + n, 2 + n) for n in range(3)]
    body = ordered_body(line_of(*firsts, *seconds, outputs=(5, 6, 7)))
    assert [min(piece.makes) for piece in body] == [2, 5, 3, 6, 4, 7]


def test_of_two_that_free_as_much_the_one_goes_first_that_reads_what_is_newest():
    """3 and 4 each end the wait of one value; 2 was made by the input alone, 5 just now."""
    early, late = made(2, 0), made(5, 1)
    body = ordered_body(line_of(early, late, made(3, 2), made(4, 5), outputs=(2, 5, 3, 4)))
    assert [min(piece.makes) for piece in body] == [2, 3, 5, 4]


def test_a_rare_part_counts_with_all_that_it_makes():
    """It makes two values that wait, so the plain operation that ends a wait goes first; a part that ends two, too."""
    start = made(2, 0)
    opens = Rare(2, (made(3, 0), made(4, 1)), (3, 4), ((3, Constant(0.0, "float64")),))
    body = ordered_body(line_of(start, opens, made(5, 2), made(6, 3, 4), made(7, 5), outputs=(6, 7)))
    assert [min(piece.makes) for piece in body] == [2, 5, 7, 3, 6]


def test_pieces_that_wait_for_each_other_are_refused():
    with pytest.raises(HemotwinError, match="no piece of a step must wait for itself, but 2 do"):
        ordered_body(line_of(made(2, 3), made(3, 2), made(4, 0), outputs=(2, 4)))
