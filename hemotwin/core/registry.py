"""Parts by kind and name: register, look up, suggest.

The rooms that hold parts are walked once, on the first look-up, so adding a part edits no shared list. Packages from
outside register through the entry-point group `hemotwin.components` (each entry names a module to import).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import HemotwinError, UnknownNameError

__all__ = ["known", "look_up", "register"]

ROOMS = {
    "chamber": "physiology", "vessel": "physiology", "valve": "physiology", "conduit": "physiology",
    "activation": "physiology", "surroundings": "physiology", "reflex": "physiology", "circulation": "physiology",
    "observable": "physiology", "scenario": "physiology", "solver": "engine", "method": "calibration",
    "reader": "records",
}  # fmt: skip
_parts: dict[str, dict[str, Any]] = {kind: {} for kind in ROOMS}
_walked: set[str] = set()

Part = TypeVar("Part")


def register(kind: str, name: str) -> Callable[[Part], Part]:
    """Class or function decorator: enter a part under `kind` and `name`; a second part of that name raises."""
    if kind not in ROOMS:
        raise UnknownNameError("kind", kind, sorted(ROOMS))

    def enter(part: Part) -> Part:
        if name in _parts[kind] and _parts[kind][name] is not part:
            raise HemotwinError(f"`{name}` must be registered once as {kind}, but it is already taken.")
        _parts[kind][name] = part
        if isinstance(part, type):
            part.kind, part.registered_name = kind, name  # type: ignore[attr-defined]
        return part

    return enter


def look_up(kind: str, name: str) -> Any:
    """The part registered as `kind` under `name`; raises `UnknownNameError` with the nearest known name."""
    parts = known(kind)
    if name not in parts:
        raise UnknownNameError(kind, name, sorted(parts))
    return parts[name]


def known(kind: str) -> dict[str, Any]:
    """All parts of a kind by name, sorted."""
    if kind not in ROOMS:
        raise UnknownNameError("kind", kind, sorted(ROOMS))
    _walk(ROOMS[kind])
    return dict(sorted(_parts[kind].items()))


def _walk(room: str) -> None:
    if room in _walked:
        return
    _walked.add(room)
    package = importlib.import_module(f"{(__package__ or '').rsplit('.', 1)[0]}.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    for entry in importlib.metadata.entry_points(group="hemotwin.components"):
        entry.load()
