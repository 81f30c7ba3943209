"""A twin is of one visit and one condition: which readings describe one state, and what becomes of the rest.

What belongs together in time, and which words name a condition, is data in configs/codes/visits.yaml.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ..core.configs import config_path, load_yaml
from ..core.errors import InputError, UnitError
from ..core.units import convert, parse_amount
from .reading import Reading
from .values import moment

__all__ = [
    "Choice",
    "Selection",
    "acting",
    "choose",
    "condition_of",
    "is_slow",
    "known_state",
    "of_visit",
    "reach_of",
    "too_old",
]

DAY = 86400.0
REST, TOO_FAR, OTHER_CONDITION = "rest", "too_far_apart", "other_condition"
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_ENCOUNTER = re.compile(r"(?:id:|Encounter/|visit_occurrence/)\s*(\S.{0,63})")


@dataclass(frozen=True)
class Selection:
    """Which visit and condition the caller asks for; the default is the latest visit, at rest where there is a choice.

    `reach` in seconds replaces that of the data file; `between` are the first and last moment of a fixed window;
    `visit` is "latest", "fullest" (most readings), or a date or moment as text; `encounter` the identifier of the visit
    where it is asked for by that.
    """

    reach: float | None = None
    between: tuple[float, float] | None = None
    visit: str = "latest"
    condition: str | None = None
    encounter: str = ""

    @property
    def asked(self) -> bool:
        """Whether a time or visit was asked for, which readings that name none cannot meet."""
        return self.between is not None or bool(self.encounter) or self.visit not in ("latest", "fullest")

    @classmethod
    def of(cls, window: str | None = None, visit: str | None = None, condition: str | None = None) -> Selection:
        """From the words of `--window` ("24 h", "2019-01-01/2019-03-31"), `--visit` and `--condition`.

        Raises `InputError` that says how each is written.
        """
        reach, between = _window(window)
        chosen = (visit or "latest").strip()
        state = condition_of(condition) if condition else None
        if named := _ENCOUNTER.fullmatch(chosen):
            return cls(reach, between, "latest", state, named[1].strip())
        if chosen not in ("latest", "fullest") and moment(chosen) is None:
            raise InputError(
                "`visit` must be latest, fullest, a date such as 2019-05-01 or 2019-05-01T09:30, or the identifier of "
                f"an encounter written as id:123, but got {visit!r}."
            )
        return cls(reach, between, chosen, state)


@dataclass
class Choice:
    """What was chosen of one patient's readings: those taken, those set aside with rule and reason, and it in words."""

    taken: list[Reading] = field(default_factory=list)
    aside: list[tuple[Reading, str, str]] = field(default_factory=list)
    time: str | None = None
    when: float | None = None
    condition: str = REST
    sentence: str = ""
    too_far: list[str] = field(default_factory=list)

    def distance(self, one: Reading) -> float:
        """Seconds from the visit's moment; a reading without a time comes after every one that has it."""
        if self.when is None:
            return 0.0 if one.when is None else -one.when
        return math.inf if one.when is None else abs(self.when - one.when)


def condition_of(text: str | None) -> str:
    """The condition that a text names: rest (also for no text), exercise, drug, support, fluid, or the text itself.

    A drug or device that is named stays apart from any other: "dobutamine 5" is not "nitric oxide".
    """
    return REST if not text or not text.strip() else _condition(text.strip().lower()[:80])


@lru_cache(maxsize=65536)
def acting(text: str) -> str:
    """The drug or device in a text that changes the circulation while it acts, in the words of the data file; "" for
    none, and for what a patient keeps at hand or is given at one place (a spray, a dental anaesthetic)."""
    words = text.strip().lower()[:200]
    if not words or any(re.search(rf"(?<![a-z]){re.escape(word)}", words) for word in _rules()["local"]):
        return ""
    known = (word for group in ("support", "drug") for word in _rules()["conditions"][group])
    found = [word for word in known if re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", words)]
    return max(found, key=len, default="")


def choose(readings: Sequence[Reading], selection: Selection) -> Choice:
    """The readings of one visit and one condition, one for each observable and modality.

    The visit's moment is its latest pressure, flow or rate; a reading further from it than its reach is set aside, and
    an observable that is lost by that is named in `too_far`. Of several within reach the nearest is taken, of several
    at the same moment the first. A reading without a time is taken to be of this visit unless a time was asked for.
    """
    choice = Choice()
    dated = [one for one in readings if one.when is not None]
    undated = [one for one in readings if one.when is None]
    if selection.asked:
        reason = "it has no time, and a visit was asked for: add the time, or leave out --visit and --window"
        named = [one for one in undated if selection.encounter and one.visit == selection.encounter]
        choice.aside += [(one, TOO_FAR, reason) for one in undated if one not in named]
        undated = named
    anchor, near, far = _visit(dated, selection)
    pool = [*undated, *near]
    choice.condition, unsaid = _chosen_condition(pool, selection)
    same = [one for one in pool if condition_of(one.condition) == choice.condition or (unsaid and not one.condition)]
    if (
        anchor is not None and selection.visit != "fullest"
    ):  # the visit is as late as its latest reading in the condition
        again, near, further = _visit([one for one in same if one.when is not None], selection)
        if again is not None:
            anchor = again
            far += further
            within = {id(one) for one in near}
            same = [one for one in same if one.when is None or id(one) in within]
    left = {id(one) for one in (*same, *far)}
    for one in pool:
        if id(one) not in left:
            choice.aside.append((one, OTHER_CONDITION, _other_condition(one, choice.condition)))
    if anchor is not None:
        choice.time, choice.when = anchor.time, anchor.when
    _one_per_channel(same, choice)
    _too_far(far, anchor, choice)
    choice.sentence = _sentence(choice, dated, undated, anchor, selection)
    return choice


def reach_of(name: str, selection: Selection) -> float:
    """How many seconds from the visit's moment a reading of this observable may lie."""
    return selection.reach if selection.reach is not None else _rules()["reach"]["slow" if is_slow(name) else "default"]


def is_slow(name: str) -> bool:
    """Whether an observable describes the shape of the heart, which keeps for months."""
    return name in _rules()["slow"]


def of_visit(one: Reading, choice: Choice, selection: Selection) -> bool:
    """Whether a reading would have belonged to the visit that was chosen, had it been usable."""
    if selection.encounter and one.visit not in ("", selection.encounter):
        return False
    if one.when is None or choice.when is None:
        return not (selection.asked and one.when is None)
    return abs(choice.when - one.when) <= reach_of(one.name, selection) + DAY


def too_old(one: Reading, choice: Choice) -> str:
    """A sentence where a height or weight was taken too long before or after the visit; "" otherwise."""
    if one.name not in ("height", "weight") or one.when is None or choice.when is None:
        return ""
    if abs(choice.when - one.when) <= _rules()["body"]:
        return ""
    return f"{_capital(one)} was taken {one.time}, {_span(choice.when - one.when)} the visit of {choice.time}."


def _visit(dated: list[Reading], selection: Selection) -> tuple[Reading | None, list[Reading], list[Reading]]:
    """(latest reading of the visit, readings within reach, the others)."""
    inside = dated
    if selection.between is not None:
        first, last = selection.between
        inside = [one for one in dated if first <= _when(one) <= last]
    if selection.encounter:  # a source that names no encounter (a waveform beside a chart) may be of it
        inside = [one for one in inside if one.visit in ("", selection.encounter)]
    anchor = _anchor(inside, selection)
    if anchor is None:
        return None, [], list(dated)
    near = [one for one in inside if selection.between is not None or _within(one, anchor, selection)]
    kept = {id(one) for one in near}
    return anchor, near, [one for one in dated if id(one) not in kept]


def _anchor(inside: list[Reading], selection: Selection) -> Reading | None:
    visit = selection.visit
    if selection.encounter:
        inside = [one for one in inside if one.visit == selection.encounter]
    if visit not in ("latest", "fullest"):
        asked = moment(visit) or 0.0
        if _DATE.fullmatch(visit):
            inside = [one for one in inside if (one.time or "").startswith(visit)]
        else:
            inside = [
                one for one in inside if _when(one) <= asked and asked - _when(one) <= reach_of(one.name, selection)
            ]
    fast = [one for one in inside if not is_slow(one.name)] or inside
    if visit == "fullest" and fast:
        days = {int(_when(one) // DAY): one for one in sorted(fast, key=_latest)}
        return max(days.values(), key=lambda one: (_channels_near(inside, one, selection), *_latest(one)))
    return max(fast, key=_latest, default=None)


def _latest(one: Reading) -> tuple[float, int, str]:
    """Later is larger; of one moment, the time that is written more exactly."""
    return _when(one), len(one.time or ""), one.time or ""


def _channels_near(inside: list[Reading], anchor: Reading, selection: Selection) -> int:
    return len({(one.name, one.modality) for one in inside if _within(one, anchor, selection)})


def _within(one: Reading, anchor: Reading, selection: Selection) -> bool:
    gap = _when(anchor) - _when(one)
    whole_day = 0.0 if _has_clock(one) and _has_clock(anchor) else DAY  # a date without a clock may be any time of it
    if is_slow(one.name):
        return abs(gap) <= reach_of(one.name, selection) + whole_day
    if gap < 0.0 and (_has_clock(anchor) or gap <= -DAY):  # later than the visit, not only on a day without a clock
        return False
    return gap <= reach_of(one.name, selection) + whole_day - (1.0 if whole_day else 0.0)


def _chosen_condition(pool: list[Reading], selection: Selection) -> tuple[str, bool]:
    """(condition of the twin, whether readings that say none belong to it).

    They are at rest, but for a record whose only condition is a text that names no known state, such as "sitting".
    """
    said = {condition_of(one.condition) for one in pool if one.condition}
    if selection.condition is not None:
        return selection.condition, selection.condition == REST
    if len(said) == 1 and not said & set(_rules()["conditions"]) and not known_state(next(iter(said))):
        return next(iter(said)), True
    counts = Counter(condition_of(one.condition) for one in pool)
    return (REST, True) if REST in counts or not counts else (max(sorted(counts), key=lambda name: counts[name]), False)


def _one_per_channel(same: list[Reading], choice: Choice) -> None:
    best: dict[tuple[str, str], Reading] = {}
    for one in sorted(same, key=lambda one: (choice.distance(one), not one.condition)):
        kept = best.setdefault((one.name, one.modality), one)
        if kept is not one:
            choice.aside.append((one, *_not_taken(one, kept)))
    taken = {id(one) for one in best.values()}
    choice.taken = [one for one in same if id(one) in taken]


def _not_taken(one: Reading, kept: Reading) -> tuple[str, str]:
    if one.when is None or kept.when is None or one.when == kept.when:
        if one.same_as(kept):
            return "duplicate", f"the record already gives {kept}" + (f" of {kept.time}" if kept.time else "")
        how = "in words of a condition" if kept.when == one.when else "with a time"
        return "conflict", f"contradiction: the record gives {kept} too, {how}, which goes first: keep the right one"
    word = "later" if kept.when > one.when else "nearer to the visit"
    return "other_visit", f"a twin is of one visit: {kept} of {kept.time} is {word} than this one of {one.time}"


def _too_far(far: list[Reading], anchor: Reading | None, choice: Choice) -> None:
    have = {one.name for one in choice.taken}
    lost: dict[str, Reading] = {}
    for one in far:
        if anchor is None:
            choice.aside.append((one, TOO_FAR, f"not of the visit that was asked for: it is of {one.time}"))
            continue
        where = f"{_span(_when(anchor) - _when(one))} the visit of {anchor.time}"
        reason = f"a twin is of one visit: taken {one.time}, {where}: choose with --visit or --window"
        choice.aside.append((one, TOO_FAR, reason))
        if one.name not in have:
            best = lost.setdefault(one.name, one)
            if abs(_when(anchor) - _when(one)) < abs(_when(anchor) - _when(best)):
                lost[one.name] = one
    for one in lost.values():
        assert anchor is not None
        choice.too_far.append(
            f"{_capital(one)} was taken {one.time}, {_span(_when(anchor) - _when(one))} the visit of {anchor.time}: "
            f"too far apart to describe one state, so the twin is made without it."
        )


def _other_condition(one: Reading, chosen: str) -> str:
    said = f"taken in condition {one.condition!r}" if one.condition else "it does not say its condition (taken as rest)"
    return f"{said}, while the twin is of {chosen!r}: a twin is of one condition, choose with --condition"


def _sentence(choice: Choice, dated: list[Reading], undated: list[Reading], anchor: Reading | None,
              selection: Selection) -> str:  # fmt: skip
    if not choice.taken:
        return ""
    parts = [f"of {choice.time}" if choice.time else "no times are recorded", f"in condition {choice.condition}"]
    if selection.encounter:
        parts.insert(0, f"encounter {selection.encounter}")
    if anchor is not None and undated:
        parts.append(f"{len(undated)} reading(s) without a time taken to be of it")
    times = [_when(one) for one in choice.taken if one.when is not None]
    if times and (selection.reach is not None or selection.between is not None):
        apart = max(times) - min(times)
        how = f"readings {_span(apart).rpartition(' ')[0]} apart" if apart else "readings of one moment"
        parts.append(f"within the window asked for, {how}")
    days = {int(_when(one) // DAY) for one in dated}
    if len(days) > 1:
        parts.append(f"chosen from {len(days)} days with readings")
    return f"The visit: {'; '.join(parts)}."


def _span(seconds: float) -> str:
    size, word = abs(seconds), "before" if seconds > 0 else "after"
    if size < 2 * DAY:
        return f"{size / 3600:.0f} h {word}"
    return f"{size / DAY:.0f} days {word}" if size < 730 * DAY else f"{size / DAY / 365.25:.1f} years {word}"


def _capital(one: Reading) -> str:
    return str(one)[:1].upper() + str(one)[1:]


def _when(one: Reading) -> float:
    return 0.0 if one.when is None else one.when


def _has_clock(one: Reading) -> bool:
    return len(one.time or "") > 10 or "-" not in (one.time or "")


def _window(text: str | None) -> tuple[float | None, tuple[float, float] | None]:
    if text is None:
        return None, None
    how = "`window` must be a duration such as 24 h or 30 d, or two dates such as 2019-01-01/2019-03-31"
    first, slash, last = str(text).partition("/")
    if slash and moment(first.strip()) is not None and moment(last.strip()) is not None:
        start, end = moment(first.strip()) or 0.0, moment(last.strip()) or 0.0
        end += DAY - 1e-3 if _DATE.fullmatch(last.strip()) else 0.0
        if start > end:
            raise InputError(f"{how}, the earlier first, but got {text!r}.")
        return None, (start, end)
    try:
        if re.search(r"[^\d.\s]", str(text)) is None:
            raise UnitError("the unit is missing")
        reach = parse_amount(str(text), "s", "window")
    except UnitError as error:
        raise InputError(f"{how}, but got {text!r} ({error}).") from None
    if reach <= 0:
        raise InputError(f"{how}, above 0, but got {text!r}.")
    return reach, None


def _condition(text: str) -> str:
    group = known_state(text)
    return text if group in ("", "drug", "support") else group


@lru_cache(maxsize=4096)
def known_state(text: str) -> str:
    """The group of conditions that a text belongs to; "" for none."""
    for name, words in _rules()["conditions"].items():
        if text == name or any(re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", text) for word in words):
            return name
    return ""


@lru_cache(maxsize=1)
def _rules() -> dict[str, Any]:
    data = load_yaml(config_path("codes", "visits.yaml"))
    reach = {name: convert(entry["value"], entry["unit"], "s") for name, entry in data["reach"].items()}
    body = convert(data["body"]["value"], data["body"]["unit"], "s")
    return {
        "reach": reach, "slow": frozenset(data["slow"]), "conditions": data["conditions"], "body": body,
        "local": data["local"],
    }  # fmt: skip
