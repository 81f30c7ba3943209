"""Find and read the data files in configs/: numbers with their units and sources, no code."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .errors import InputError

__all__ = ["config_path", "load_yaml"]

ENTRIES_LIMIT = 1_000_000  # entries of a data file, every alias written out: a small file must not fill the memory
DEPTH_LIMIT = 100
# libyaml reads the same documents several times faster where it is compiled in
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@lru_cache(maxsize=1)
def _root() -> Path:
    package = Path(__file__).resolve().parent.parent
    # a checkout without symbolic links keeps configs/ beside the package
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise InputError(f"the configs folder must stand beside {package}; install hemotwin again.")


def config_path(*parts: str) -> Path:
    """Path of a data file, for example `config_path("records", "ph9.csv")`; raises `InputError` when it is absent."""
    path = _root().joinpath(*parts)
    if not path.exists():
        raise InputError(f"configs/{'/'.join(parts)} is not part of this installation; install hemotwin again.")
    return path


def load_yaml(path: str | Path) -> Any:
    """Read a YAML data file; raises `InputError` with the file and line when it is malformed or grows without end."""
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{Path(path).name}{where}: not readable as YAML ({str(error).splitlines()[0]}).") from None
    if _written_out(data, {}, 0) > ENTRIES_LIMIT:
        raise InputError(
            f"{Path(path).name}: its aliases stand for more than {ENTRIES_LIMIT:,} entries or for themselves: write "
            "out what they stand for."
        )
    return data


def _written_out(data: Any, met: dict[int, float], depth: int) -> float:
    """Entries once every alias is written out; infinite where one holds itself or lies too deep."""
    if not isinstance(data, dict | list):
        return 1.0
    if depth > DEPTH_LIMIT:
        return float("inf")
    if id(data) not in met:
        met[id(data)] = float("inf")  # until it is counted: what meets itself has no end
        values = [*data, *data.values()] if isinstance(data, dict) else data
        met[id(data)] = 1.0 + sum(_written_out(one, met, depth + 1) for one in values)
    return met[id(data)]
