"""What a further reading is expected to bring, from the circulation linearised at draws: bits and narrower quantities.

With posterior covariance C of a record and a reading of slope s over its noise sd, the covariance after it is
C - C s s' C / (1 + s' C s), whatever the reading turns out to be. The gain is the expected drop of the entropy of the
circulation's quantities, zero errors of the traces integrated out: half the logarithm of the ratio of determinants.
Source: Lindley 1956, doi 10.1214/aoms/1177728069; for linearised models Chaloner and Verdinelli 1995,
doi 10.1214/ss/1177009939.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..physiology.observable import all_observables
from ..records.codes import observables
from ..records.needs import Examination, examinations
from ..records.readiness import Costs
from ..records.readiness_expected import NextStep
from .exact_functions import Channel, load_exact_functions
from .likelihood import Noise
from .linearised import Linearised

__all__ = ["Weighing"]

LEAST_GAIN = 0.005  # bits; below it a step is not listed, as it is nothing within what linearising can tell
# Of an examination that measures volumes the flows go first, which a record left out for a check gives up last.
COMPUTED = ("cardiac_index", "stroke_volume_index", "cardiac_output")


@dataclass(frozen=True)
class Weighing:
    """What steps are weighed with, for one patient.

    directions [D, Q, N]: rows that give the quantities (first `count` of them) and then what was asked, from z; prior
    [D, Q]: their prior sds; free: number of entries of z that are quantities of the circulation, nuisances after them.
    """

    at: Linearised
    directions: np.ndarray
    prior: np.ndarray
    free: int
    names: tuple[str, ...]
    asked: int
    identified_below: float
    noise: Noise
    costs: Costs

    def contraction(self, covariance: np.ndarray) -> np.ndarray:
        """Posterior over prior sd [D, Q] under a covariance [D, N, N]."""
        variance = np.einsum("dqn,dnm,dqm->dq", self.directions, covariance, self.directions)
        return np.sqrt(np.maximum(variance, 0.0)) / self.prior

    def readings(self, held: Collection[Channel], body: bool) -> list[NextStep]:
        """Every reading of the catalog that the record lacks, by each examination that gives it, best first.

        One that follows from recorded ones by arithmetic brings nothing, and an indexed one needs a body size (`body`).
        """
        found = []
        for one in examinations().values():
            for name in sorted(one.gives & _new(held, one, body)):
                about = observables()[name]
                rows, sd = self._rows((name,), one.modality)
                shown = float(sd.mean())
                found.append(self._step(name, about.label, one, (name,), rows, shown, about.unit))
        return _ranked(found)

    def whole(self, held: Collection[Channel], body: bool) -> list[NextStep]:
        """Every examination with all of its readings that the record lacks, each piece of evidence once."""
        found = []
        for one in examinations().values():
            names = _independent(one.gives & _new(held, one, body), one.modality, frozenset(held))
            if names:
                rows, _ = self._rows(names, one.modality)
                found.append(self._step(one.name, one.label, one, names, rows, None, ""))
        return _ranked(found)

    def _rows(self, names: Sequence[str], modality: str) -> tuple[np.ndarray, np.ndarray]:
        """(slopes over the noise sd [D, K, N], noise sds [D, K]) of readings; the noise is that of the draw's value."""
        known = list(all_observables())
        where = [known.index(name) for name in names]
        rules = [self.noise.rule(name, modality) for name in names]
        sd = np.array([[rule.at(value) for rule, value in zip(rules, row[where], strict=True)]
                       for row in self.at.reading])  # fmt: skip
        return self.at.slope[:, where] / sd[..., None], sd

    def _step(
        self, name: str, label: str, by: Examination, readings: tuple[str, ...], rows: np.ndarray, sd: float | None,
        unit: str,
    ) -> NextStep:  # fmt: skip
        before, after = self.at.covariance, _narrowed(self.at.covariance, rows)
        gain = 0.5 * np.mean(_log_det(before, self.free) - _log_det(after, self.free)) / np.log(2.0)
        was, now = self.contraction(before), self.contraction(after)
        fall = 1.0 - (now / was).mean(axis=0)
        count = len(self.names)
        identifies = tuple(
            quantity for n, quantity in enumerate(self.names)
            if now[:, n].mean() < self.identified_below <= was[:, n].mean()
        )  # fmt: skip
        most = int(np.argmax(fall[:count]))
        asked = float(fall[count:].mean()) if self.asked else None
        return NextStep(
            name, label, by.name, readings, by.modality, sd, unit, float(gain), identifies, self.names[most],
            float(fall[most]), asked, self.costs.of.get(by.name),
        )  # fmt: skip


def _narrowed(covariance: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Covariance [D, N, N] after readings with slopes [D, K, N] over their noise sds."""
    through = rows @ covariance
    middle = np.eye(rows.shape[1]) + through @ np.swapaxes(rows, 1, 2)
    return covariance - np.swapaxes(through, 1, 2) @ np.linalg.solve(middle, through)


def _log_det(covariance: np.ndarray, free: int) -> np.ndarray:
    return np.linalg.slogdet(covariance[:, :free, :free])[1]


def _new(held: Collection[Channel], by: Examination, body: bool) -> frozenset[str]:
    """Readings that an examination would add: not recorded by any method, and not computed from what is.

    A mean that the examination itself computes from other readings of it is never one of them: those are there or are
    proposed, and beside them it says nothing.
    """
    functions, names = load_exact_functions(), {name for name, _ in held}
    found = set()
    for name in by.gives - names:
        about = all_observables().get(name)
        if about is None or (about.needs_body and not body):
            continue
        if any(functions.follows(name, {other}, names) for other in names):  # an index and what it indexes are one
            continue
        known, measured = _tied(name, by.modality, held), names | {name}
        if (name, by.modality) in functions.computed:
            known, measured = known | by.gives - {name}, names
        if not functions.follows(name, known, measured):
            found.add(name)
    return frozenset(found)


def _tied(name: str, modality: str, held: Collection[Channel]) -> frozenset[str]:
    """Recorded readings that one reading, by the method of an examination, can have been computed from."""
    functions = load_exact_functions()
    return frozenset(other for other, way in held if functions.may_be_computed((name, modality), (other, way)))


@lru_cache(maxsize=1024)
def _independent(names: frozenset[str], modality: str, held: frozenset[Channel]) -> tuple[str, ...]:
    """Readings of one examination less what repeats others of it, or follows by arithmetic from them, from what is
    recorded and a heart rate."""
    functions, kept = load_exact_functions(), set(names)
    recorded = {name for name, _ in held}
    for pair in functions.repeats:
        if pair <= kept:
            kept.discard(sorted(pair)[0])
    for name in dict.fromkeys((*COMPUTED, *functions.hide_first)):
        known = kept - {name} | _tied(name, modality, held) | {"heart_rate"}
        if name in kept and functions.follows(name, known, kept | recorded):
            kept.discard(name)
    return tuple(sorted(kept, key=list(observables()).index))


def _ranked(steps: Sequence[NextStep]) -> list[NextStep]:
    """Best first; what brings nothing is left out."""
    return sorted((one for one in steps if one.gain >= LEAST_GAIN), key=lambda one: (-one.worth, one.name))
