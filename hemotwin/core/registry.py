"""Parts by kind and name: register, look up, suggest.

The rooms that hold parts are walked once, on the first look-up, so adding a part edits no shared list. Packages from
outside register through the entry-point group `hemotwin.components` (each entry names a module to import). Other
threads wait for a walk under way. One that fails (a plug-in that does not import, Ctrl-C) is made again by the next
look-up.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import sys
import threading
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
_homes: dict[tuple[str, str], tuple[str, Any]] = {}  # (kind, name) of a part -> name and object of its module
_walked: set[str] = set()
_walking: set[str] = set()
_walk_alone = threading.RLock()  # held again by a look-up in a module that the walk itself imports

Part = TypeVar("Part")


def register(kind: str, name: str, home: str | None = None) -> Callable[[Part], Part]:
    """Class or function decorator: enter a part under `kind` and `name`; a second part of that name raises.

    `home` names the module that brings the part, where that is not the part's own `__module__`.
    """
    if kind not in ROOMS:
        raise UnknownNameError("kind", kind, sorted(ROOMS))

    def enter(part: Part) -> Part:
        if name in _parts[kind] and _parts[kind][name] is not part:
            raise HemotwinError(f"`{name}` must be registered once as {kind}, but it is already taken.")
        module = home or getattr(part, "__module__", "")
        _homes[kind, name] = module, sys.modules.get(module)
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
    """Import all modules of a room, and what plug-ins name, unless that is done."""
    if room in _walked:
        return
    with _walk_alone:
        if room in _walked or room in _walking:  # by now, or by this thread
            return
        before = set(_homes)
        _walking.add(room)
        try:
            _import_all(room)
            _walked.add(room)
        except BaseException:
            _forget(set(_homes) - before)
            raise
        finally:
            _walking.discard(room)


def _import_all(room: str) -> None:
    package = importlib.import_module(f"{(__package__ or '').rsplit('.', 1)[0]}.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    for entry in importlib.metadata.entry_points(group="hemotwin.components"):
        try:
            entry.load()
        except Exception as error:
            error.add_note(f"A plug-in of hemotwin does not load: {entry.name} = {entry.value}. Mend or uninstall it.")
            raise


def _forget(parts: set[tuple[str, str]]) -> None:
    """Take out those parts whose module's import failed: imported again, it brings them anew."""
    for kind, name in parts:
        module, then = _homes[kind, name]
        if sys.modules.get(module) is not then:
            del _homes[kind, name]
            _parts[kind].pop(name, None)
