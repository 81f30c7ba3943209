"""Bleeding: volume out of the systemic veins."""

from __future__ import annotations

from typing import Any

from ...core.registry import register
from ..scenario import Inflow, Scenario, amount


@register("scenario", "bleeding")
def bleeding(volume: Any = "500 mL", over: Any = "10 min") -> Scenario:
    """`volume` is lost from the systemic veins in the time `over`, and none of it is replaced.

    The prediction is the state right after the loss, before fluid shifts into the vessels (hours) and without hormones.
    Heart rate and vessels stay as they are unless a reflex acts.
    """
    lost = amount("volume", volume, "mL", 0.0, 3000.0)
    duration = amount("over", over, "s", 1.0, 86400.0)
    return Scenario(
        name="bleeding",
        label=f"loss of {lost:.0f} mL of blood over {duration / 60.0:.0f} min",
        description=f"{lost:.0f} mL are lost from the systemic veins over {duration / 60.0:.0f} min and not replaced; "
        "the state right after the loss, without hormones or fluid shifts.",
        inflows=(Inflow("systemic_veins", -lost, duration),),
        settings={"volume": lost, "over": duration},
    )
