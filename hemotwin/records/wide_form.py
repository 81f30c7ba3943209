"""Headers of a wide table: the name and the unit that they write, and the header that says both."""

from __future__ import annotations

import re

from ..core.errors import UnitError
from ..core.units import parse_unit
from .codes import find_name, info, nearest_names, normalise

__all__ = ["bracketed", "split_header", "wide_form"]

_IN_BRACKETS = re.compile(r"(.+?)\s*[\[(]\s*(.+?)\s*[\])]\s*$")
# units as headers carry them at their end, longest first
_ENDINGS = (
    ("_l_min_m2", "L/(min.m2)"), ("_ml_per_m2", "mL/m2"), ("_ml_m2", "mL/m2"), ("_l_per_min", "L/min"),
    ("_l_min", "L/min"),
    ("_ml_s", "mL/s"), ("_mmhg", "mm[Hg]"), ("_kpa", "kPa"), ("_bpm", "/min"), ("_percent", "%"), ("_pct", "%"),
    ("_years", "a"), ("_wu", "[wood'U]"), ("_ml", "mL"), ("_cm", "cm"), ("_kg", "kg"), ("_m2", "m2"), ("_ms", "ms"),
    ("_lb", "[lb_av]"), ("_l", "L"), ("_m", "m"), ("_s", "s"), ("_g", "g"),
)  # fmt: skip
# units whose own brackets would stand in those of the header
_IN_HEADER = {"mm[Hg]": "mmHg", "L/(min.m2)": "L/min/m2", "[wood'U]": "Wood", "[lb_av]": "lb", "/min": "1/min"}


def bracketed(header: str) -> tuple[str, str] | None:
    """(name, unit) of a header that ends with a unit in brackets, which may hold others, as "ci [L/(min.m2)]"; None
    where what is in the brackets is no unit."""
    text = header.rstrip()
    if not text.endswith((")", "]")):
        return None
    depth, start = 0, len(text)
    while start and (depth or start == len(text)):
        start -= 1
        depth += (text[start] in ")]") - (text[start] in "([")
    name, unit = text[:start].rstrip(), text[start + 1 : -1].strip()
    return (name, unit) if name and not depth and _readable(unit) else None


def split_header(header: str) -> tuple[str, str]:
    """(name, unit) of a header such as "sbp [mmHg]" or "co_l_min"; the unit is empty when none is written."""
    match = _IN_BRACKETS.fullmatch(header)
    if match and _readable(match[2]):
        return match[1], match[2]
    word = normalise(header)
    for ending, unit in _ENDINGS:
        if word.endswith(ending) and find_name(word.removesuffix(ending)):
            return word.removesuffix(ending), unit
    return (match[1], "") if match else (header, "")


def wide_form(header: str, *, near: bool = False) -> str:
    """The header that says name and unit, as "sbp [mmHg]" for "sbp_mmhg" or "sbp"; "" where the name is not known.

    With `near` a name that only resembles a known one is taken for it. A unit that is not written is that inside.
    """
    base, unit = split_header(header[:120])
    close = nearest_names(base, 1) if near and find_name(base) is None else ()
    name = close[0] if close else base
    target = find_name(name)
    if target is None or target.role == "recognised":
        return ""
    own = info(target.name).unit
    written = unit or own
    return f"{name.strip()} [{_IN_HEADER.get(written, written)}]" if own else ""


def _readable(unit: str) -> bool:
    try:
        parse_unit(unit)
    except UnitError:
        return False
    return True
