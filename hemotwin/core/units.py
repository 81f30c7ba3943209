"""Units at the edges: read a UCUM unit or a clinical way of writing it, and convert exactly.

Inside hemotwin everything is mmHg, mL, s (heart rate 1/min, cardiac output L/min, fractions in %). A unit is a factor
to SI and the powers of metre, kilogram, second; factors are fractions, so a conversion is exact until its last step.

Source: The Unified Code for Units of Measure, https://ucum.org; NIST SP 811 for the pound and the conventional
millimetre of mercury (133.322387415 Pa; UCUM rounds it to 133.322 Pa, 3 parts in a million less).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from .errors import UnitError, nearest

__all__ = ["Unit", "convert", "factor", "known_units", "parse_amount", "parse_unit", "same_dimension",
           "spellings"]  # fmt: skip

Dimension = tuple[int, int, int]
NONE: Dimension = (0, 0, 0)
_MERCURY = Fraction("133322.387415")
_ATOMS: dict[str, tuple[Fraction, Dimension, bool]] = {  # name: factor to SI, powers of (m, kg, s), takes prefixes
    "m": (Fraction(1), (1, 0, 0), True),
    "g": (Fraction(1, 1000), (0, 1, 0), True),
    "s": (Fraction(1), (0, 0, 1), True),
    "min": (Fraction(60), (0, 0, 1), False),
    "h": (Fraction(3600), (0, 0, 1), False),
    "d": (Fraction(86400), (0, 0, 1), False),
    "wk": (Fraction(604800), (0, 0, 1), False),
    "mo": (Fraction(2629800), (0, 0, 1), False),
    "a": (Fraction(31557600), (0, 0, 1), False),
    "L": (Fraction(1, 1000), (3, 0, 0), True),
    "l": (Fraction(1, 1000), (3, 0, 0), True),
    "N": (Fraction(1), (1, 1, -2), True),
    "dyn": (Fraction(1, 100000), (1, 1, -2), True),
    "Pa": (Fraction(1), (-1, 1, -2), True),
    "bar": (Fraction(100000), (-1, 1, -2), True),
    "m[Hg]": (_MERCURY, (-1, 1, -2), True),
    "m[H2O]": (Fraction("9806.65"), (-1, 1, -2), True),
    "J": (Fraction(1), (2, 1, -2), True),
    "erg": (Fraction(1, 10**7), (2, 1, -2), True),
    "W": (Fraction(1), (2, 1, -3), True),
    "Hz": (Fraction(1), (0, 0, -1), True),
    "%": (Fraction(1, 100), NONE, False),
    "[wood'U]": (_MERCURY / 1000 * 60 * 1000, (-4, 1, -1), False),
    "[lb_av]": (Fraction("0.45359237"), (0, 1, 0), False),
    "[oz_av]": (Fraction("0.028349523125"), (0, 1, 0), False),
    "[in_i]": (Fraction("0.0254"), (1, 0, 0), False),
    "[ft_i]": (Fraction("0.3048"), (1, 0, 0), False),
}
_PREFIXES = {
    "k": Fraction(1000), "h": Fraction(100), "d": Fraction(1, 10), "c": Fraction(1, 100), "m": Fraction(1, 1000),
    "u": Fraction(1, 10**6), "n": Fraction(1, 10**9), "M": Fraction(10**6),
}  # fmt: skip
_ALIASES = {
    "mmhg": "mm[Hg]", "mm(hg)": "mm[Hg]", "torr": "mm[Hg]", "millimetermercurycolumn": "mm[Hg]", "cmhg": "cm[Hg]",
    "cmh2o": "cm[H2O]", "cmh20": "cm[H2O]", "kpa": "kPa", "hpa": "hPa", "pa": "Pa", "mbar": "mbar",
    "lpm": "L/min", "cc": "mL", "bpm": "/min", "beats": "1", "beat": "1", "breaths": "1", "percent": "%", "pct": "%",
    "fraction": "1", "ratio": "1", "none": "1", "dimensionless": "1", "unity": "1",
    "wu": "[wood'U]", "wood": "[wood'U]", "woodunit": "[wood'U]", "woodunits": "[wood'U]", "woods": "[wood'U]",
    "dyne": "dyn", "dynes": "dyn", "kgs": "kg", "kilogram": "kg", "kilograms": "kg", "kilo": "kg",
    "lb": "[lb_av]", "lbs": "[lb_av]", "pound": "[lb_av]", "pounds": "[lb_av]", "oz": "[oz_av]",
    "inch": "[in_i]", "inches": "[in_i]", "in": "[in_i]", "ft": "[ft_i]", "feet": "[ft_i]", "foot": "[ft_i]",
    "y": "a", "yr": "a", "yrs": "a", "year": "a", "years": "a", "months": "mo", "month": "mo", "weeks": "wk",
    "week": "wk", "days": "d", "day": "d", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "mins": "min",
    "minute": "min", "minutes": "min", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms",
    "liter": "L", "liters": "L", "litre": "L", "litres": "L", "ml": "mL", "milliliter": "mL", "milliliters": "mL",
    "millilitre": "mL", "millilitres": "mL", "cl": "cL", "dl": "dL", "meter": "m", "metre": "m", "meters": "m",
    "centimeter": "cm", "centimetre": "cm", "centimeters": "cm", "joule": "J", "joules": "J", "sqm": "m2", "hz": "Hz",
    "min": "min", "cm": "cm", "mm": "mm", "kg": "kg", "ms": "ms", "gram": "g", "grams": "g",
}  # fmt: skip
_COMMON = (
    "mm[Hg]", "mmHg", "kPa", "Pa", "hPa", "mbar", "cm[H2O]", "cmH2O", "L/min", "mL/min", "mL/s", "L/(min.m2)", "mL",
    "L", "mL/m2", "/min", "{beats}/min", "bpm", "%", "1", "mm[Hg]/s", "[wood'U]", "Wood", "dyn.s/cm5", "mmHg.s/mL",
    "J", "mmHg.mL", "cm2", "m2", "cm", "mm", "m", "kg", "g", "lb", "a", "years", "mo", "s", "ms", "min", "h", "cm/s",
)  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_TOKEN = re.compile(r"\[[^\]]*\]|[./()]|[+-]?\d+|[^\W\d_]+(?:\[[^\]]*\])?|%")
_POWER = re.compile(r"[+-]?\d+")
_LONGEST = 60


@dataclass(frozen=True)
class Unit:
    """A unit read from text: exact `factor` to SI and its `dimension` as powers of metre, kilogram and second."""

    text: str
    factor: Fraction
    dimension: Dimension


def known_units() -> tuple[str, ...]:
    """The units a record usually carries, for messages; any UCUM product of their parts is read too."""
    return _COMMON


def spellings() -> dict[str, tuple[str, ...]]:
    """The clinical spellings that are read as a UCUM unit, by that unit; case does not matter in them."""
    units = dict.fromkeys(_ALIASES.values())
    found = {unit: tuple(word for word, meant in _ALIASES.items() if unit == meant != word) for unit in units}
    return {unit: words for unit, words in found.items() if words}


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit:
    """Read a unit written in UCUM or in a common clinical way ("mmHg", "beats/min", "dyn·s·cm⁻⁵", "WU").

    Raises `UnitError` when it is missing or unknown; the message names the nearest known units.
    """
    cleaned = re.sub(r"\{[^{}]*\}", "", (text or "").strip())
    if not (text or "").strip():
        raise UnitError("the unit is missing: write it beside the value, for example mm[Hg] or L/min.")
    if len(cleaned) > _LONGEST:
        raise UnitError(f"unit `{text[:20]}...` is not known: a unit has at most {_LONGEST} characters.")
    try:
        scale, dimension = _Expression(_tidy(cleaned)).read()
    except (ValueError, IndexError, OverflowError):
        raise UnitError(f"unit `{text}` is not known", lambda: _near(text)) from None
    return Unit(text, scale, dimension)


def factor(unit: str, to: str) -> float:
    """What a number in `unit` is multiplied by to be in `to`; raises `UnitError` when their dimensions differ."""
    return float(_ratio(unit, to))


def convert(value: float, unit: str, to: str) -> float:
    """`value`, given in `unit`, expressed in `to` (one rounding); raises `UnitError` when that cannot be."""
    ratio = _ratio(unit, to)
    return float(value) if ratio == 1 else float(Fraction(value) * ratio)


def same_dimension(unit: str, other: str) -> bool:
    """Whether two readable units measure the same kind of quantity."""
    return parse_unit(unit).dimension == parse_unit(other).dimension


def parse_amount(amount: str | float, unit: str, name: str = "amount") -> float:
    """A number in `unit` from "500 mL" or a bare number, which is taken to be in `unit` already.

    Raises `UnitError` (an `InputError`) naming the argument when text, number or unit cannot be used.
    """
    if isinstance(amount, int | float) and not isinstance(amount, bool):
        number, written = str(float(amount)), unit
    else:
        match = re.fullmatch(
            r"\s*([+-]?\d{1,15}(?:\.\d{0,15})?(?:[eE][+-]?\d{1,2})?)\s*((?:1/|[^\d\s.+-]).*?)?\s*", str(amount)[:200]
        )
        if match is None:
            raise UnitError(f'`{name}` must be a number and a unit such as "10 {unit}", but got {amount!r}.')
        number, written = match[1], match[2] or unit
    value = float(number)
    if not abs(value) < float("inf"):
        raise UnitError(f"`{name}` must be a finite number in {unit}, but got {amount!r}.")
    try:
        return convert(value, written, unit)
    except UnitError as error:
        raise UnitError(f"`{name}` must be in {unit} or a unit of its kind, but got {amount!r}: {error}") from None


@lru_cache(maxsize=4096)
def _ratio(unit: str, to: str) -> Fraction:
    given, wanted = parse_unit(unit), parse_unit(to)
    if given.dimension != wanted.dimension:
        raise UnitError(f"unit `{unit}` cannot be converted to {to}: it measures another kind of quantity.")
    return given.factor / wanted.factor


def _near(text: str) -> str:
    close = nearest(text, _COMMON, count=3, cutoff=0.4)
    return f"nearest known units: {', '.join(close)}" if close else f"known units: {', '.join(_COMMON[:12])}, ..."


def _tidy(text: str) -> str:
    """Clinical spellings to UCUM operators: middle dots, stars, carets, superscripts, `per`, blanks."""
    text = text.translate(_SUPERSCRIPTS).replace("µ", "u").replace("μ", "u")
    text = re.sub(r"(?<=[a-z])\s+per\s+", "/", text)
    text = re.sub(r"\b10[*^](\d+)", lambda power: str(10 ** min(int(power[1]), 7)), text)  # 10*3 in UCUM; 10*7: refused
    text = re.sub(r"mm\s+Hg", "mmHg", text, flags=re.IGNORECASE)
    text = re.sub(r"[·⋅×*]", ".", text.replace("**", "^")).replace("^", "").replace("−", "-")
    text = re.sub(r"\s*([./()])\s*", r"\1", text)
    whole = re.sub(r"\s+", "", text)
    if whole.lower() in _ALIASES and whole not in _ATOMS:
        return _ALIASES[whole.lower()]
    text = re.sub(r"\s+", ".", text)
    return text if text else "1"


class _Expression:
    """Reader without recursion of `factor (. or / factor)*`; a group in parentheses is one factor."""

    def __init__(self, text: str):
        self.tokens = _TOKEN.findall(text)
        if "".join(self.tokens) != text:
            raise ValueError(text)

    def read(self) -> tuple[Fraction, Dimension]:
        stack: list[tuple[Fraction, Dimension, int]] = []
        scale, dimension, sign = Fraction(1), NONE, 1
        expect_factor, position = True, 0
        while position < len(self.tokens):
            token = self.tokens[position]
            position += 1
            if token == "/" and (not expect_factor or position == 1 or self.tokens[position - 2] == "("):
                sign, expect_factor = -1, True
            elif token == "." and not expect_factor:
                sign, expect_factor = 1, True
            elif token == "(" and expect_factor:
                stack.append((scale, dimension, sign))
                scale, dimension, sign = Fraction(1), NONE, 1
            elif token == ")" and not expect_factor:
                inner_scale, inner_dimension = scale, dimension
                scale, dimension, sign = stack.pop()
                scale, dimension = _times(scale, dimension, inner_scale, inner_dimension, sign)
            elif expect_factor and token not in "./()":
                one_scale, one_dimension = _atom(token)
                power = 1
                if position < len(self.tokens) and _POWER.fullmatch(self.tokens[position]) and not _is_number(token):
                    power = int(self.tokens[position])
                    position += 1
                if abs(power) > 9:
                    raise ValueError(token)
                scale, dimension = _times(scale, dimension, one_scale, one_dimension, sign * power)
                sign, expect_factor = 1, False
            else:
                raise ValueError(token)
        if stack or expect_factor:
            raise ValueError("unfinished")
        return scale, dimension


def _is_number(token: str) -> bool:
    return _POWER.fullmatch(token) is not None


def _times(scale: Fraction, dimension: Dimension, other: Fraction, powers: Dimension, power: int):
    joined = tuple(a + b * power for a, b in zip(dimension, powers, strict=True))
    return scale * other**power, (joined[0], joined[1], joined[2])


def _atom(token: str) -> tuple[Fraction, Dimension]:
    if _is_number(token):
        if not 0 < int(token) <= 10**6:
            raise ValueError(token)
        return Fraction(int(token)), NONE
    if token in _ATOMS:
        return _ATOMS[token][:2]
    prefix, rest = token[:1], token[1:]
    if prefix in _PREFIXES and rest in _ATOMS and _ATOMS[rest][2]:
        return _PREFIXES[prefix] * _ATOMS[rest][0], _ATOMS[rest][1]
    alias = _ALIASES.get(token.lower())
    if alias is None or alias == token:
        raise ValueError(token)
    return _Expression(alias).read()
