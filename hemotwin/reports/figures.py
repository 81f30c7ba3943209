"""Traces and loops as inline SVG: one small panel per picture, so that a page can stack or pair them at any width."""

from __future__ import annotations

import contextlib
import html
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..calibration.twin import CalibratedTwin

__all__ = ["COLOURS", "Line", "beat_panels", "flow_panel", "loop_panel", "pressure_panel", "what_if_panels"]

# Okabe and Ito's colours, which hold for colour-blind eyes: warm on the left, cool on the right side of the heart.
COLOURS = {
    "lv": "#C44601", "aorta": "#E69F00", "systemic_arteries": "#7A5200", "la": "#B5588F", "rv": "#0060A0",
    "pulmonary_arteries": "#3C9FDC", "ra": "#00875F", "systemic_veins": "#5B7F95", "pulmonary_veins": "#A68AA0",
}  # fmt: skip
NAMES = {
    "lv": "LV", "aorta": "aorta", "systemic_arteries": "arterial line", "la": "LA", "rv": "RV",
    "pulmonary_arteries": "pulmonary artery", "ra": "RA",
    "systemic_veins": "systemic veins", "pulmonary_veins": "pulmonary veins", "mitral_valve": "mitral valve",
    "aortic_valve": "aortic valve", "tricuspid_valve": "tricuspid valve", "pulmonary_valve": "pulmonary valve",
}  # fmt: skip
VALVES = {
    "mitral_valve": "la", "aortic_valve": "aorta", "tricuspid_valve": "ra", "pulmonary_valve": "pulmonary_arteries",
}  # fmt: skip
DASHED = {"systemic_arteries", "la", "ra"}  # told apart in grey print too
BEFORE = "#6B7280"

# (observable, site, extreme) of readings that can be marked on a trace
_MARKS = (
    ("sbp", "systemic_arteries", "max"), ("dbp", "systemic_arteries", "min"), ("central_sbp", "aorta", "max"),
    ("central_dbp", "aorta", "min"), ("lv_pressure_max", "lv", "max"), ("rv_pressure_max", "rv", "max"),
    ("rv_pressure_min", "rv", "min"), ("pa_pressure_systolic", "pulmonary_arteries", "max"),
    ("pa_pressure_diastolic", "pulmonary_arteries", "min"), ("ra_pressure_max", "ra", "max"),
    ("ra_pressure_min", "ra", "min"),
)  # fmt: skip

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9.0,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#9AA3AE", "axes.linewidth": 0.8,
    "axes.labelcolor": "#3D4652", "xtick.color": "#6B7280", "ytick.color": "#6B7280", "xtick.labelcolor": "#3D4652",
    "ytick.labelcolor": "#3D4652", "axes.grid": True, "grid.color": "#E7EAEE", "grid.linewidth": 0.7,
    "axes.axisbelow": True, "lines.linewidth": 1.7, "lines.solid_capstyle": "round", "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
}  # fmt: skip


class Line(dict):
    """A legend entry: colour, text and whether the line is dashed."""


def pressure_panel(twin: CalibratedTwin, sites: Sequence[str], title: str) -> dict[str, Any]:
    """Pressure of some sites over one beat, with the measured extremes as open circles."""
    shown = _present(twin.waves, "site", sites)
    with _panel(title, "time (s)", "pressure (mmHg)") as (axes, out):
        time = twin.waves["time"].values
        for site in shown:
            axes.plot(time, _of(twin.waves, "pressure", "site", site), **_line(site, site))
        marked = _mark(axes, twin, shown, time)
        axes.set_xlim(time[0], time[-1])
    legend = [_entry(site, site) for site in shown]
    return {**out, "legend": legend, "marked": marked, "offset": marked and bool(_offsets(twin).keys() & set(shown))}


def flow_panel(waves: Any, valves: Sequence[str], title: str) -> dict[str, Any]:
    """Flow through some valves over one beat."""
    shown = _present(waves, "conduit", valves)
    with _panel(title, "time (s)", "flow (mL/s)") as (axes, out):
        for valve in shown:
            axes.plot(waves["time"].values, _of(waves, "flow", "conduit", valve), **_line(VALVES[valve], VALVES[valve]))
        axes.axhline(0.0, color="#9AA3AE", linewidth=0.8, zorder=1)
        axes.set_xlim(waves["time"].values[0], waves["time"].values[-1])
    return {**out, "legend": [_entry(valve, VALVES[valve]) for valve in shown]}


def loop_panel(pairs: Sequence[tuple[Any, str, str]], site: str, title: str, about: str = "") -> dict[str, Any]:
    """Pressure-volume loops of one chamber: (waves, label, "before" or "after") each.

    `about` sets apart panels of one title on a page.
    """
    with _panel(title, "volume (mL)", "pressure (mmHg)", about) as (axes, out):
        for waves, _, role in pairs:
            volume, pressure = (_closed(_of(waves, name, "site", site)) for name in ("volume", "pressure"))
            axes.plot(volume, pressure, **_role(site, role))
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.margins(x=0.08)
    legend = [] if len(pairs) == 1 else [_role_entry(site, role, label) for _, label, role in pairs]
    return {**out, "legend": legend}


def beat_panels(twin: CalibratedTwin) -> list[dict[str, Any]]:
    """Six panels, the left heart first: pressures, flows and loop of either side; those that the model has."""
    sides = (
        ("Left heart", ("lv", "aorta", "systemic_arteries", "la"), ("mitral_valve", "aortic_valve"), "lv"),
        ("Right heart", ("rv", "pulmonary_arteries", "ra"), ("tricuspid_valve", "pulmonary_valve"), "rv"),
    )
    found = []
    for side, sites, valves, ventricle in sides:
        if _present(twin.waves, "site", sites):
            found.append(pressure_panel(twin, sites, f"{side}: pressures"))
        if _present(twin.waves, "conduit", valves):
            found.append(flow_panel(twin.waves, valves, f"{side}: flow through the valves"))
        if _present(twin.waves, "site", (ventricle,)):
            found.append(loop_panel([(twin.waves, "", "after")], ventricle, f"{side}: pressure-volume loop"))
    return found


def what_if_panels(prediction: Any) -> list[dict[str, Any]]:
    """Both loops and the pulmonary artery pressure, before (grey) and after."""
    before, after, about = prediction.baseline_waves, prediction.waves, prediction.label
    pairs = [(before, "baseline", "before"), (after, "after", "after")]
    titles = {"rv": "Right ventricle", "lv": "Left ventricle"}
    found = [loop_panel(pairs, site, text, about) for site, text in titles.items() if _present(after, "site", (site,))]
    site = "pulmonary_arteries"
    if _present(after, "site", (site,)):
        with _panel("Pulmonary artery", "time (s)", "pressure (mmHg)", about) as (axes, out):
            for waves, _, role in pairs:
                axes.plot(waves["time"].values, _of(waves, "pressure", "site", site), **_role(site, role))
            axes.set_xlim(0.0, max(float(waves["time"].values[-1]) for waves, _, _ in pairs))
        found.append({**out, "legend": [_role_entry(site, role, label) for _, label, role in pairs]})
    return found


@contextlib.contextmanager
def _panel(title: str, x: str, y: str, about: str = "") -> Iterator[tuple[Axes, dict[str, Any]]]:
    """Axes to draw on; on leaving, the dict holds the title and the SVG text."""
    out: dict[str, Any] = {"title": title, "marked": False, "offset": False}
    style: dict[Any, Any] = {**_STYLE, "svg.hashsalt": title}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(4.3, 3.0))
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.155, top=0.965)  # the same in all, so that axes align
        axes = figure.subplots()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        yield axes, out
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    out["svg"] = _inline(stream.getvalue(), f"{title}, {about}" if about else title)


def _inline(text: str, title: str) -> str:
    """The SVG element alone, scalable, named for screen readers, its ids made its own."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    own = re.sub(r"\W+", "-", title.lower())
    rest = re.sub(r'\bid="', f'id="{own}-', rest)
    rest = re.sub(r"url\(#", f"url(#{own}-", rest)
    rest = re.sub(r'(xlink:href="|href=")#', rf"\1#{own}-", rest)
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {space} {box[0] if box else ""} role="img" aria-label="{html.escape(title)}">{rest}'


def _mark(axes: Axes, twin: CalibratedTwin, sites: Sequence[str], time: np.ndarray) -> bool:
    offsets, marked = _offsets(twin), False
    readings = {row.observable: row for row in twin.fit if row.counted}
    for observable, site, extreme in _MARKS:
        if site not in sites or observable not in readings:
            continue
        measured = readings[observable].measured
        if measured is None:  # a range is no point of the trace
            continue
        trace = _of(twin.waves, "pressure", "site", site)
        at = int(np.argmax(trace) if extreme == "max" else np.argmin(trace))
        value = measured - offsets.get(site, 0.0)
        axes.plot(time[at], value, "o", markersize=6, markerfacecolor="white", markeredgewidth=1.5,
                  markeredgecolor=COLOURS[site], zorder=5, clip_on=False)  # fmt: skip
        marked = True
    return marked


def _offsets(twin: CalibratedTwin) -> dict[str, float]:
    """Zero offsets by site, which the readings hold and the traces do not."""
    return {q.name.partition(".")[2]: q.value for q in twin.quantities if q.name.startswith("offset.")}


def _present(waves: Any, dim: str, names: Sequence[str]) -> list[str]:
    known = set(waves[dim].values.tolist()) if dim in waves.coords else set()
    return [name for name in names if name in known]


def _of(waves: Any, variable: str, dim: str, name: str) -> np.ndarray:
    return waves[variable].sel({dim: name}).values


def _closed(values: np.ndarray) -> np.ndarray:
    return np.append(values, values[:1])


def _line(site: str, dash_of: str) -> dict[str, Any]:
    return {"color": COLOURS[site], "linestyle": (0, (4, 1.6)) if dash_of in DASHED else "-"}


def _role(site: str, role: str) -> dict[str, Any]:
    if role == "before":
        return {"color": BEFORE, "linestyle": (0, (4, 1.6)), "linewidth": 1.4, "zorder": 2}
    return {"color": COLOURS[site], "zorder": 3}


def _entry(name: str, site: str) -> Line:
    return Line(colour=COLOURS[site], label=NAMES.get(name, name), dashed=site in DASHED)


def _role_entry(site: str, role: str, label: str) -> Line:
    before = role == "before"
    return Line(colour=BEFORE if before else COLOURS[site], label=label, dashed=before)
