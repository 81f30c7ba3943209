"""What the verbs note in the audit log, where one is named: counts and hashes, never a name or a path."""

from __future__ import annotations

import argparse
import os
from typing import Any

__all__ = ["LOG_VARIABLE", "SIGNING_VARIABLE", "note", "wanted"]

LOG_VARIABLE, SIGNING_VARIABLE = "HEMOTWIN_AUDIT", "HEMOTWIN_SIGNING_KEY"


def wanted(options: argparse.Namespace) -> str | None:
    """The log to append to; None when there is none."""
    return getattr(options, "audit", None) or os.environ.get(LOG_VARIABLE)


def note(options: argparse.Namespace, event: str, **facts: Any) -> None:
    """Append an entry to the log of --audit or HEMOTWIN_AUDIT, signed when HEMOTWIN_SIGNING_KEY names a key file.

    Without a log nothing is noted. One that cannot take the entry raises `InputError`: what is not noted is not done.
    """
    path = wanted(options)
    if not path:
        return
    from .. import __version__
    from ..records.audit import AuditLog
    from ..records.signing import SigningKey

    key = os.environ.get(SIGNING_VARIABLE)
    AuditLog(path, SigningKey(key) if key else None).append(event, hemotwin=__version__, verb=options.verb, **facts)
