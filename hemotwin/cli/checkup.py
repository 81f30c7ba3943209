"""What `hemotwin doctor` found: findings, problems with their fixes, and whether hemotwin is usable here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..core.disclaimer import DISCLAIMER
from ..core.table import Table

__all__ = ["Checkup", "Finding", "Problem"]


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to do about it; `blocking` when nothing can be computed until it is mended."""

    what: str
    fix: str
    blocking: bool = False

    def __str__(self) -> str:
        return f"{'must be mended: ' if self.blocking else ''}{self.what}\n  fix: {self.fix}"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its name, a sentence for people, the same as plain values, and what is wrong with it."""

    name: str
    sentence: str
    facts: dict[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, repr=False)
class Checkup:
    """Everything looked at, in order."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, the blocking ones first."""
        found = [problem for finding in self.findings for problem in finding.problems]
        return tuple(sorted(found, key=lambda problem: not problem.blocking))

    @property
    def usable(self) -> bool:
        """Whether hemotwin can compute here: no problem is blocking."""
        return not any(problem.blocking for problem in self.problems)

    @property
    def verdict(self) -> str:
        """One sentence: usable or not, and how many problems there are."""
        count, blocking = len(self.problems), sum(problem.blocking for problem in self.problems)
        if blocking:
            return f"Not usable: {blocking} of {count} problem{'s' * (count != 1)} must be mended first."
        return f"Usable; {count or 'no'} problem{'s' * (count != 1)} found."

    def table(self) -> Table:
        """One row per finding; what was left out says so."""
        return Table(["what", "found"], [(f.name, f.sentence) for f in self.findings], title="hemotwin doctor")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "usable": self.usable,
            "verdict": self.verdict,
            "findings": {f.name: {"sentence": f.sentence, **f.facts} for f in self.findings},
            "problems": [{"what": p.what, "fix": p.fix, "blocking": p.blocking} for p in self.problems],
            "note": DISCLAIMER,
        }

    def lines(self) -> Iterator[str]:
        """The problems as text, fixes unbroken so that they can be pasted, then the verdict."""
        if self.problems:
            yield "Problems"
        for problem in self.problems:
            yield f"- {problem}"
        yield ("\n" if self.problems else "") + self.verdict

    def __repr__(self) -> str:
        return "\n".join([repr(self.table()), "", *self.lines()])

    def _repr_html_(self) -> str:
        import html

        below = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())
        return self.table()._repr_html_() + below
