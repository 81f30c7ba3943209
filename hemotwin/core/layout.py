"""Named rows with units: the bridge between dictionaries of quantities and arrays of shape [rows, batch]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, UnknownNameError

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """An ordered list of row names with their units."""

    names: tuple[str, ...]
    units: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.units) or len(set(self.names)) != len(self.names):
            raise InputError("`Layout` must have one unit per name, and each name once.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The row of `name`; raises `UnknownNameError` with the nearest name."""
        if name not in self.names:
            raise UnknownNameError("row", name, list(self.names))
        return self.names.index(name)

    def pack(self, values: Mapping[str, Any], batch: int | None = None) -> np.ndarray:
        """Stack a mapping name -> number or [batch] array into an array [rows, batch]; every name must be given."""
        missing = [name for name in self.names if name not in values]
        if missing:
            raise InputError(f"`values` must hold every row, but lacks {', '.join(missing)}.")
        rows = [np.atleast_1d(np.asarray(values[name], dtype=float)) for name in self.names]
        size = batch or max((row.shape[-1] for row in rows), default=1)
        return np.stack([np.broadcast_to(row, (size,)) for row in rows]) if rows else np.zeros((0, size))

    def unpack(self, array: Any) -> dict[str, Any]:
        """Split an array [rows, ...] into a dictionary of its rows."""
        if len(array) != len(self.names):
            raise InputError(f"`array` must have {len(self.names)} rows, but has {len(array)}.")
        return {name: array[row] for row, name in enumerate(self.names)}
