"""Codes of how a computation ended."""

from __future__ import annotations

from hemotwin.core.status import Status, merge


def test_every_code_has_its_own_advice_and_rank():
    assert len({code.advice for code in Status}) == len(Status)
    assert sorted(code.precedence for code in Status) == list(range(len(Status)))


def test_codes_keep_the_numbers_that_files_hold():
    assert [code.name for code in sorted(Status)][:7] == [
        "OK", "UNIDENTIFIABLE", "STEP_LIMIT", "NOT_PERIODIC", "NOT_CONVERGED", "UNPHYSIOLOGICAL", "NONFINITE",
    ]  # fmt: skip


def test_the_graver_code_hides_the_lighter_whatever_their_numbers():
    assert merge([]) == Status.OK
    assert merge([Status.OK, Status.STEP_LIMIT, Status.DRIFTING]) == Status.DRIFTING
    assert merge([Status.DRIFTING, Status.ALTERNANS, Status.WINDOW_MEAN]) == Status.WINDOW_MEAN
    assert merge([Status.WINDOW_MEAN, Status.NONFINITE]) == merge([6, 9]) == Status.NONFINITE
