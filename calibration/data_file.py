"""Strict reading of the data files of a calibration: every entry has its unit and source, and nothing is overlooked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import InputError, UnknownNameError, nearest
from ..core.units import parse_unit

__all__ = ["Entry", "open_data"]


def open_data(folder: str, name: str | Path) -> tuple[str, Any]:
    """(file name, content) of configs/`folder`/`name`.yaml, or of the YAML file that `name` is a path to.

    Raises `UnknownNameError` with the nearest name when there is no such file, `InputError` when it is no YAML.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = sorted(file.stem for file in config_path(folder).glob("*.yaml"))
        if str(name) not in known:
            raise UnknownNameError(folder.removesuffix("s"), str(name), known)  # of configs/priors/ a prior
        path = config_path(folder, f"{name}.yaml")
    return path.name, load_yaml(path)


class Entry:
    """One mapping of a data file with the place where it stands, for messages.

    Raises `InputError` when it is no mapping, lacks a key of `required`, or has one that is in neither list.
    """

    def __init__(self, where: str, content: Any, required: Collection[str], optional: Collection[str] = ()):
        if not isinstance(content, Mapping):
            raise InputError(f"{where} must be a mapping of names to values, but got {str(content)[:60]!r}.")
        known = (*required, *optional)
        for key in content:
            if key not in known:
                close = nearest(str(key), known)
                hint = f" Did you mean `{close[0]}`?" if close else ""
                raise InputError(f"{where}: `{key}` is not a known key; known keys are: {', '.join(known)}.{hint}")
        missing = [key for key in required if key not in content]
        if missing:
            raise InputError(f"{where}: {', '.join(f'`{key}`' for key in missing)} must be given, but is missing.")
        self.where, self.content = where, content

    def number(self, key: str, default: float | None = None, above: float = -math.inf) -> float:
        """A finite number larger than `above`, or `default` when the key is absent."""
        value = self.content.get(key, default)
        sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not sound or not value > above:
            limit = "" if above == -math.inf else f" above {above:g}"
            raise InputError(f"{self.where}: `{key}` must be a finite number{limit}, but got {value!r}.")
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        """Text that is not empty, or `default` when the key is absent."""
        value = self.content.get(key, default)
        if not isinstance(value, str) or (not value.strip() and key in self.content):
            raise InputError(f"{self.where}: `{key}` must be text, but got {value!r}.")
        return value

    def unit(self, key: str = "unit") -> str:
        """A unit that can be read ("1" when dimensionless)."""
        written = self.text(key)
        try:
            parse_unit(written)
        except InputError as error:
            raise InputError(f"{self.where}: `{key}`: {error}") from None
        return written

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.content[key]
        if not isinstance(value, bool):
            raise InputError(f"{self.where}: `{key}` must be true or false, but got {value!r}.")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """A list of names; empty when the key is absent."""
        value = self.content.get(key, ())
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise InputError(f"{self.where}: `{key}` must be a list of names, but got {value!r}.")
        return tuple(value)

    def entries(self, key: str) -> dict[str, Any]:
        """A mapping of names to whatever stands there, none of it read yet."""
        value = self.content[key]
        if not isinstance(value, Mapping) or not value:
            raise InputError(f"{self.where}: `{key}` must map names to entries, but got {str(value)[:60]!r}.")
        return {str(name): content for name, content in value.items()}

    def items(self, key: str) -> list[Any]:
        """A list of whatever stands there, none of it read yet."""
        value = self.content.get(key, [])
        if not isinstance(value, list):
            raise InputError(f"{self.where}: `{key}` must be a list, but got {str(value)[:60]!r}.")
        return value
