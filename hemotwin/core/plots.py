"""A figure of one beat, for notebooks."""

from __future__ import annotations

from typing import Any

from .disclaimer import DISCLAIMER

__all__ = ["beat_figure"]

LEFT, RIGHT = ("lv", "aorta", "systemic_arteries", "la"), ("rv", "pulmonary_arteries", "ra")
COLOURS = {
    "lv": "#b2182b", "aorta": "#ef8a62", "systemic_arteries": "#7f3b08", "la": "#fdb863", "rv": "#2166ac",
    "pulmonary_arteries": "#67a9cf", "ra": "#1b7837", "mitral_valve": "#fdb863", "aortic_valve": "#b2182b",
    "tricuspid_valve": "#1b7837", "pulmonary_valve": "#2166ac",
}  # fmt: skip


def beat_figure(waves: Any, title: str = "") -> Any:
    """Matplotlib figure of a beat dataset: left and right pressures, valve flows, ventricular loops."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    left, right, flow, loop = figure.subplots(2, 2).ravel()
    for axis, sites in ((left, LEFT), (right, RIGHT)):
        for site in [s for s in sites if s in waves["site"].values]:
            axis.plot(
                waves["time"], waves["pressure"].sel(site=site), label=site.replace("_", " "), color=COLOURS[site]
            )
        axis.set(xlabel="time, s", ylabel="pressure, mmHg")
        axis.legend(frameon=False, fontsize=8)
    for valve in [c for c in waves["conduit"].values if c.endswith("_valve")]:
        flow.plot(waves["time"], waves["flow"].sel(conduit=valve), label=valve.replace("_", " "), color=COLOURS[valve])
    flow.set(xlabel="time, s", ylabel="flow, mL/s")
    flow.legend(frameon=False, fontsize=8)
    for site in ("lv", "rv"):
        one = waves.sel(site=site)
        loop.plot(one["volume"], one["pressure"], label=site.upper(), color=COLOURS[site])
    loop.set(xlabel="volume, mL", ylabel="pressure, mmHg")
    loop.legend(frameon=False, fontsize=8)
    figure.suptitle(f"{title}. {DISCLAIMER}" if title else DISCLAIMER, fontsize=10)
    return figure
