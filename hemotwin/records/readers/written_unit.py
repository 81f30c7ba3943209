"""Which unit to believe where a record gives it twice, as a code and in print."""

from __future__ import annotations

from ...core.errors import UnitError
from ...core.units import parse_unit

__all__ = ["believed_unit"]


def believed_unit(code: str, printed: str) -> tuple[str, str | None]:
    """The unit to believe: the code where it is a unit, else the printed one; a problem when the two contradict."""
    read = {}
    for text in (code, printed):
        try:
            read[text] = parse_unit(text)
        except UnitError:
            continue
    if len(read) == 2 and (read[code].factor, read[code].dimension) != (read[printed].factor, read[printed].dimension):
        return code, f"its unit code {code!r} and its printed unit {printed!r} contradict each other: correct one"
    return next(iter(read), code or printed), None
