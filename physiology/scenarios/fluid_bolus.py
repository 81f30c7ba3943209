"""Fluid bolus: volume into the systemic veins."""

from __future__ import annotations

from typing import Any

from ...core.registry import register
from ..scenario import Inflow, Scenario, amount


@register("scenario", "fluid_bolus")
def fluid_bolus(volume: Any = "500 mL", over: Any = "10 min", retained: Any = 1.0) -> Scenario:
    """`volume` runs into the systemic veins in the time `over`; the share `retained` of it stays in the vessels.

    The prediction is the steady beat right after the infusion, before crystalloid leaks out (20 to 30 % is left after
    one to two hours) and without dilution. Heart rate and vessels stay as they are unless a reflex acts.
    """
    given = amount("volume", volume, "mL", 0.0, 3000.0)
    duration = amount("over", over, "s", 1.0, 86400.0)
    share = amount("retained", retained, "1", 0.0, 1.0)
    kept = "" if share == 1.0 else f", of which {share:.0%} stays in the vessels"
    return Scenario(
        name="fluid_bolus",
        label=f"fluid bolus {given:.0f} mL over {duration / 60.0:.0f} min",
        description=f"{given:.0f} mL run into the systemic veins over {duration / 60.0:.0f} min{kept}; the state right "
        "after the infusion.",
        inflows=(Inflow("systemic_veins", given * share, duration),),
        settings={"volume": given, "over": duration, "retained": share},
    )
