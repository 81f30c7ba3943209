"""Everything that is registered, as one table."""

from __future__ import annotations

from ..core.registry import known
from ..core.table import Table

__all__ = ["catalog"]

SHOWN = (
    "circulation",
    "chamber",
    "vessel",
    "valve",
    "conduit",
    "activation",
    "surroundings",
    "reflex",
    "observable",
    "scenario",
)


def catalog(kind: str | None = None) -> Table:
    """Circulations, parts, observables and scenarios with their first line; `kind` limits the table to one of them."""
    rows = []
    for name in SHOWN if kind is None else (kind,):
        for key, part in known(name).items():
            text = getattr(part, "doc", None) or part.__doc__ or ""
            rows.append([name, key, getattr(part, "unit", None), text.strip().splitlines()[0] if text.strip() else ""])
    return Table(["kind", "name", "unit", "what it is"], rows, title="hemotwin catalog")
