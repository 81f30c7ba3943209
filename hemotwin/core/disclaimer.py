"""What every result says, on a screen, a page or in a file."""

from __future__ import annotations

__all__ = ["DISCLAIMER"]

DISCLAIMER = "Not for clinical use."
