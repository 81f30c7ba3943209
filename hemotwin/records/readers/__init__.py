"""Readers: one file format each, registered by name. A reader only finds values; the collector judges them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ..collect import Collector

__all__ = ["Reader", "Source"]


class Source(NamedTuple):
    """What is read as one: the path that the reader is given, and every file that it accounts for."""

    path: Path
    files: tuple[Path, ...]


class Reader(ABC):
    """One file format. `suffixes` are the file endings it may take, `accepts` looks inside where they are shared.

    A reader of several files at once (`together`) is asked before the others what belongs together in a folder.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    together: ClassVar[bool] = False
    takes_mapping: ClassVar[bool] = False

    def accepts(self, path: Path) -> bool:
        """Whether this file is of the reader's format, judged by its beginning."""
        return path.suffix.lower() in self.suffixes

    def sources(self, folder: Path, files: Sequence[Path]) -> list[Source]:
        """What the reader takes of the files of a folder."""
        return [Source(path, (path,)) for path in files if self.accepts(path)]

    def states(self, path: Path, collector: Collector) -> None:  # noqa: B027  (most formats tell of nothing given)
        """Tell `collector.exposures` what was given to the patients of a source, before any source is read."""

    @abstractmethod
    def read(self, path: Path, collector: Collector, mapping: Mapping[str, Any] | None) -> None:
        """Offer every value in the file to the collector; raises `InputError` when the file as a whole is unusable."""
