"""Inhaled nitric oxide: a pulmonary vasodilator that leaves the systemic bed alone."""

from __future__ import annotations

from typing import Any

from ...core.registry import register
from ..scenario import Change, Scenario, amount


@register("scenario", "inhaled_nitric_oxide")
def inhaled_nitric_oxide(fall: Any = 0.30) -> Scenario:
    """Pulmonary arterial resistance falls by the fraction `fall` (default 0.30), nothing else is changed.

    Evidence for the size: 40 ppm lowered pulmonary vascular resistance by about a third in systemic sclerosis, and by
    1.13 Wood units (6.25 to 4.71) in 36 patients with group 3 pulmonary hypertension, doi 10.1002/pul2.70078, while
    arterial pressure did not change.
    """
    share = amount("fall", fall, "1", 0.0, 0.9)
    return Scenario(
        name="inhaled_nitric_oxide",
        label=f"inhaled nitric oxide (pulmonary resistance −{share:.0%})",
        description=f"Pulmonary arterial resistance falls by {share:.0%}; nothing else is changed.",
        changes=(Change("pulmonary.resistance", factor=1.0 - share),),
        settings={"fall": share},
    )
