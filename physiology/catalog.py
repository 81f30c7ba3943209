"""Everything that is registered, as one table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

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
            line = text.strip().splitlines()[0] if text.strip() else ""
            more = _settings(part) if name == "scenario" else ""
            rows.append([name, key, getattr(part, "unit", None), line + more])
    return Table(["kind", "name", "unit", "what it is"], rows, title="hemotwin catalog")


def _settings(make: Callable[..., Any]) -> str:
    """What a scenario takes, with its defaults."""
    takes = inspect.signature(make).parameters.values()
    said = [one.name if one.default is one.empty else f"{one.name}={one.default!r}".replace("'", '"') for one in takes]
    return f" Settings: {', '.join(said)}."
