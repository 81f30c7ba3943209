"""Readers: one file format each, registered by name. A reader only finds values; the collector judges them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..collect import Collector

__all__ = ["Reader"]


class Reader(ABC):
    """One file format. `suffixes` are the file endings it may take, `accepts` looks inside where they are shared."""

    suffixes: ClassVar[tuple[str, ...]] = ()

    def accepts(self, path: Path) -> bool:
        """Whether this file is of the reader's format, judged by its beginning."""
        return path.suffix.lower() in self.suffixes

    @abstractmethod
    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every value in the file to the collector; raises `InputError` when the file as a whole is unusable."""
