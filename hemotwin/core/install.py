"""The command that installs hemotwin again from where it came: a checkout, an address, or a package index."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["NAME", "ROOT", "command", "direct_url", "installer", "project_of"]

NAME = "hemotwin"
ROOT = Path(__file__).resolve().parents[2]  # the checkout, or site-packages


def command(extra: str = "", checkout: Path | None = None, direct: Mapping[str, Any] | None = None) -> str:
    """What installs hemotwin with an extra into the Python that runs now; by default as this one was installed."""
    if direct is None:
        checkout, direct = ROOT if project_of(ROOT) else None, direct_url()
    with_extra, url = f"{NAME}[{extra}]" if extra else NAME, direct.get("url", "")
    if checkout:
        what = ["-e", f"{checkout}[{extra}]" if extra else str(checkout)]
    elif url:
        version = direct.get("vcs_info", {})
        what = [f"{with_extra} @ {version['vcs']}+{url}@{version['commit_id']}" if version else f"{with_extra} @ {url}"]
    else:
        what = [with_extra]
    return f"{installer()} {shlex.join(what)}"


def installer() -> str:
    """`pip install` of the Python that runs now, or uv's where the environment holds no pip."""
    if importlib.util.find_spec("pip") is not None:
        return f"{shlex.quote(sys.executable)} -m pip install"
    return f"uv pip install --python {shlex.quote(sys.executable)}"


def direct_url() -> dict[str, Any]:
    """Where pip took hemotwin from (PEP 610); empty for a package index, or when it is not installed."""
    try:
        return json.loads(metadata.distribution(NAME).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, json.JSONDecodeError):
        return {}


def project_of(root: Path) -> dict[str, Any]:
    """`project` of the pyproject.toml in a checkout of hemotwin; empty for any other folder."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return {}
    return project if project.get("name") == NAME else {}
