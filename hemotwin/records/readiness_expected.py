"""What a calibration is expected to learn from each record, and what to measure next: results as plain data.

They are computed in `hemotwin.calibration.expected_information`, which needs JAX; this file and its tables do not.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IDENTIFIED", "NOT_INFORMED", "PARTLY", "Expectation", "Expected", "ExpectedQuantity", "NextStep"]

IDENTIFIED, PARTLY, NOT_INFORMED = "identified", "partly", "not informed"


@dataclass(frozen=True)
class ExpectedQuantity:
    """One quantity: `contraction` = expected posterior sd / prior sd in the space of the fit, mean over the draws.

    `low` and `high` are the smallest and largest over the draws: how far the answer depends on where the patient lies.
    `verdict` is "identified", "partly" or "not informed"; for what a user asks about, `unit` may be a reading's.
    """

    name: str
    symbol: str
    label: str
    unit: str
    contraction: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class NextStep:
    """What a further reading, or a whole examination, is expected to bring beyond the record.

    gain: bits by which it narrows the circulation's quantities together (zero errors of the traces apart). `identifies`
    are quantities that become identified by it, `narrows` the one whose expected sd falls most, by the share
    `narrows_by`; `asked` is the mean share by which the sds of the asked quantities fall (None when nothing was asked).
    sd: noise of a reading, in `unit`, None for an examination. cost: of the examination, None when not given.
    """

    name: str
    label: str
    examination: str
    readings: tuple[str, ...]
    modality: str
    sd: float | None
    unit: str
    gain: float
    identifies: tuple[str, ...]
    narrows: str
    narrows_by: float
    asked: float | None
    cost: float | None

    @property
    def worth(self) -> float:
        """What steps are ranked by: the share for what was asked, or the gain in bits."""
        return self.gain if self.asked is None else self.asked

    @property
    def cost_per_bit(self) -> float | None:
        """Cost of one bit; None without a cost."""
        return None if self.cost is None or self.gain <= 0.0 else self.cost / self.gain


@dataclass(frozen=True)
class Expected:
    """One patient: values that count, draws that the model was linearised at, quantities, and what to measure next.

    `readings` and `examinations` stand in the order of their worth. `notes` say what was left aside or unknown.
    """

    patient: str
    values: int
    draws: int
    quantities: tuple[ExpectedQuantity, ...]
    asked: tuple[ExpectedQuantity, ...]
    readings: tuple[NextStep, ...]
    examinations: tuple[NextStep, ...]
    notes: tuple[str, ...]

    def named(self, verdict: str) -> tuple[ExpectedQuantity, ...]:
        """The quantities with this verdict."""
        return tuple(one for one in self.quantities if one.verdict == verdict)


@dataclass(frozen=True)
class Expectation:
    """All patients, and what the numbers rest on. `skipped` says why a patient has no expectation.

    `seconds` are those of compiling and of running, apart.
    """

    patients: tuple[Expected, ...]
    skipped: dict[str, str]
    circulation: str
    prior: str
    noise: str
    draws: int
    seed: int
    steps: int
    about: tuple[str, ...]
    identified_below: float
    partly_below: float
    seconds: dict[str, float]
    currency: str = ""

    @property
    def sentence(self) -> str:
        """What the numbers are and what they depend on."""
        return (
            f"Expected and local, before any fit: the circulation {self.circulation} was linearised at {self.draws} "
            "draws around where the record's own values place the patient. The ratio is the posterior sd over the "
            f"prior sd that such a record leads to, with the prior {self.prior} and the noise {self.noise}; under "
            f"a narrower prior the same record informs less. {IDENTIFIED}: below {self.identified_below:g}; {PARTLY}: "
            f"below {self.partly_below:g}; {NOT_INFORMED}: the rest, where a twin repeats the prior."
        )

    @property
    def priced(self) -> bool:
        """Whether any examination has a cost."""
        return any(step.cost is not None for one in self.patients for step in one.examinations)
