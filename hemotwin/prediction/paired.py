"""A what-if and its baseline on the same steps, on as many as the best mode needs; the draws go along."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..calibration.certificate import Certificate, certify, volume_balance
from ..calibration.certified import on_enough_steps, only_possible, solved_again
from ..calibration.summary import Readings
from ..core.errors import InputError
from ..core.status import Status, merge
from ..physiology.model import Model
from .regulated import Answer, answered, regulated_beats
from .settled import Settled, followed

__all__ = ["Lanes", "Paired", "paired"]


class Lanes(NamedTuple):
    """Parameters [P, B] of the best mode and the draws before and after a scenario, their baseline solved on `steps`,
    and body surface areas [B]."""

    before: np.ndarray
    base: Readings
    after: np.ndarray
    bsa: np.ndarray
    steps: int

    def take(self, lanes: Any) -> Lanes:
        """Some of the lanes, by index."""
        return Lanes(self.before[:, lanes], self.base.take(lanes), self.after[:, lanes], self.bsa[lanes], self.steps)


class Paired(NamedTuple):
    """Baseline and what-if of lanes, the best mode first, on the same `steps`, and the certificate of that mode, None
    without beats to read.

    `means`: under a reflex, the beats of the best mode where no single one is steady; its lane holds their means.
    """

    base: Readings
    what_if: Answer
    steps: int
    means: Settled | None = None
    certificate: Certificate | None = None

    @property
    def sound(self) -> np.ndarray:
        """Lanes [B] whose beats are steady before and after."""
        return self.base.sound & self.what_if.readings.sound

    @property
    def status(self) -> Status:
        """How the best mode ended, whatever its certificate says."""
        return Status(int(self.what_if.status[0] if self.base.sound[0] else self.base.ended[0]))


def paired(model: Model, lanes: Lanes) -> Paired:
    """The what-if of every lane with its baseline, on the steps of that one where the best mode's certificate holds.

    Where it fails, or that mode has no steady beat, the mode alone is solved again on twice as many steps, up to eight
    times. Those that it ends on hold for the draws, too, whose baselines are solved again on as many.
    """
    first, best = _solved(model, lanes, lanes.steps), lanes.take(slice(0, 1))

    def tried(number: int) -> Paired:
        return _led(model, best, first if number == lanes.steps else _solved(model, best, number))

    found = _judged(model, *on_enough_steps(tried, lambda *levels: _enough(_judged(model, *levels)), lanes.steps))
    if found.steps == lanes.steps or len(lanes.bsa) == 1:
        return found
    own = tried(lanes.steps)
    if found.certificate is None and own.means is None and not own.sound[0]:  # finer steps give no beat to read, either
        return own
    draws = _solved(model, lanes.take(slice(1, None)), found.steps)
    return found._replace(base=found.base.joined(draws.base), what_if=found.what_if.joined(draws.what_if))


def _enough(found: Paired) -> bool:
    """Whether finer steps have nothing to mend; what leaves its bounds does so on them, too."""
    return found.status == Status.UNPHYSIOLOGICAL or (found.certificate is not None and found.certificate.ok)


def _solved(model: Model, lanes: Lanes, number: int) -> Paired:
    """On `number` steps; fewer than the baseline's are only compared with, from the baseline as it is."""
    base = lanes.base
    if number > lanes.steps:
        base = only_possible(model, lanes.before, solved_again(model, lanes.before, base, lanes.bsa, number))
    return Paired(base, answered(model, lanes.before, base.solved.state, lanes.after, lanes.bsa, number), number)


def _led(model: Model, best: Lanes, found: Paired) -> Paired:
    """The same, with the means of the best mode's beats where no single one is steady under the reflex."""
    if model.reflex is None or not found.base.sound[0] or found.what_if.readings.sound[0]:
        return found
    rest = found.base.take(slice(0, 1))
    if found.steps < best.steps:  # the reflex acts about the rest on as many steps
        rest = solved_again(model, best.before, rest, best.bsa, found.steps)
    if not rest.sound[0]:
        return found
    onset = rest.solved.state
    beats = regulated_beats(model, best.before, onset, best.after[None], found.steps)
    told = followed(model, beats, beats.from_rest(onset), best.bsa)
    mode, draws = (found.what_if.take(lanes) for lanes in (slice(0, 1), slice(1, None)))
    solved = mode.readings.solved._replace(state=told.state)
    means = Readings(mode.readings.names, mode.readings.units, told.values[:, None], solved)
    status = merge((Status(int(mode.status[0])), Status.OK if told.possible else Status.UNPHYSIOLOGICAL))
    return found._replace(what_if=Answer(means, told.rows, np.array([int(status)])).joined(draws), means=told)


def _judged(model: Model, fine: Paired, half: Paired | InputError, quarter: Paired | InputError, steps: int) -> Paired:
    """What was found on `steps` with the certificate of its best mode, by that on half and a quarter of them."""
    found, means = fine.what_if.readings, fine.means is not None
    if not means and not fine.sound[0]:
        return fine
    residual: float | None = float(found.solved.residual[0])
    if fine.means is not None:
        told = fine.means.told
        residual = float(told.residual[0]) if told.period[0] > 0 else None
    coarser = _compared(half, fine), _compared(quarter, fine)
    balance = volume_balance(model, fine.what_if.rows[:, 0], found.solved.state[:, 0])
    return fine._replace(certificate=certify(found.units, found.values[:, 0], coarser, residual, balance, steps))


def _compared(coarse: Paired | InputError, fine: Paired) -> np.ndarray:
    """Readings [O] of the best mode that a certificate may compare: of a steady beat, or means with means; else nan."""
    if isinstance(coarse, InputError):  # too few steps for any beat
        return np.full(len(fine.what_if.readings.units), np.nan)
    found, both = coarse.what_if.readings, fine.means is not None and coarse.means is not None
    return (found.values if both else found.sound_values)[:, 0]
