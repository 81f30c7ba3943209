"""Breathing: the pressure in the thorax falls and returns over a number of beats."""

from __future__ import annotations

import itertools
import math
from typing import Any

from ...core.errors import InputError
from ...core.registry import register
from ..scenario import Change, Scenario, amount

MOST = 60  # beats per breath: two breaths a minute at a rate of 120


@register("scenario", "breathing")
def breathing(swing: Any = "5 mmHg", beats_per_breath: int = 4) -> Scenario:
    """Thoracic pressure falls by `swing` and returns within each breath of `beats_per_breath` beats; no beat is steady.

    A raised cosine, held within each beat at its mean over it (of two beats, one is the deeper half of the breath: cut
    at its start they would be alike). Negative: a ventilator that raises it. Default: -4 to
    -9 mmHg, Albanese 2016, doi 10.1152/ajpheart.00230.2014. The abdomen's pressure and the lung's resistance stay
    as they are, and so does heart rate unless a reflex acts.
    """
    depth = amount("swing", swing, "mmHg", -30.0, 30.0)
    if not (isinstance(beats_per_breath, int) and 2 <= beats_per_breath <= MOST):
        raise InputError(
            f"`beats_per_breath` must be a whole number from 2 to {MOST}, but got {beats_per_breath!r}; "
            "divide heart rate by breathing rate and round."
        )
    turn = 2.0 * math.pi / beats_per_breath
    ends = [turn * k + (0.5 * math.pi if beats_per_breath == 2 else 0.0) for k in range(beats_per_breath + 1)]
    share = [0.5 - 0.5 * (math.sin(end) - math.sin(start)) / turn for start, end in itertools.pairwise(ends)]
    way = f"{'falls' if depth >= 0.0 else 'rises'} by {abs(depth):g} mmHg"
    return Scenario(
        name="breathing",
        label=f"breathing, {beats_per_breath} beats per breath, thoracic pressure {way}",
        description=f"The pressure in the thorax {way} and returns over {beats_per_breath} beats; "
        "the abdomen and the lung's resistance stay as they are.",
        settings={"swing": depth, "beats_per_breath": beats_per_breath},
        each_beat=tuple((Change("thorax.pressure", amount=-depth * s),) for s in share),
    )
