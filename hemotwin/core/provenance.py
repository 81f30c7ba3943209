"""Where a result came from: versions, device, precision, date and the checksum of the record, nothing of the person.

Neither a user name nor a host name nor a folder is kept: of a file only its own name and its sha256.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import __version__
from .errors import InputError

__all__ = ["provenance", "sha256_of"]

LIBRARIES = ("jax", "jaxlib", "diffrax", "optax", "numpy", "scipy")
CHUNK = 1 << 20  # bytes read at a time, so that a large record is hashed in bounded memory


def provenance(*, source: str | Path | None = None, precision: str | None = None, **choices: Any) -> dict[str, Any]:
    """The provenance of a result as plain values, ready for JSON and for dataset attributes.

    Keys: `hemotwin`, `python`, `date` (UTC, to the second), `device`, `precision`, one version per numerical library,
    `source` and `source_sha256` when a record was read, and every one of `choices` (circulation, prior, seed, ...)
    under its own name. `precision` is that of the solve ("float64"), or JAX's current setting when not given. `device`
    and `precision` are None until JAX is in use: this function never imports it.
    Raises `InputError` when a choice would hide one of the keys above.
    """
    facts: dict[str, Any] = {"hemotwin": __version__, "python": platform.python_version(), "date": _now()}
    facts |= {library: _version(library) for library in LIBRARIES}
    facts["device"], current = _device_and_precision()
    facts["precision"] = precision or current
    if source is not None:
        facts["source"], facts["source_sha256"] = Path(source).name, sha256_of(source)
    hidden = sorted(set(facts) & set(choices))
    if hidden:
        raise InputError(f"`choices` must not be named {', '.join(hidden)}: provenance records these itself.")
    return facts | choices


def sha256_of(path: str | Path) -> str:
    """Hexadecimal sha256 of a file; of a folder, that of its files' relative names and checksums in sorted order.

    Raises `InputError` when nothing stands at `path`; the message names the file, not the folders above it.
    """
    path = Path(path)
    if path.is_dir():
        lines = [f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in _files_of(path)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"`source` must be a readable file, but {path.name!r} is not ({error.strerror}).") from error
    return digest.hexdigest()


def _files_of(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _device_and_precision() -> tuple[str | None, str | None]:
    jax = sys.modules.get("jax")
    if jax is None:
        return None, None
    device = jax.devices()[0]
    name = f"{platform.machine()} CPU" if device.platform == "cpu" else device.device_kind
    return name, "float64" if jax.config.jax_enable_x64 else "float32"
