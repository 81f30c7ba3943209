"""One page for one twin: a single file that opens anywhere, needs no network, and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from .. import __version__
from ..calibration.twin import CalibratedTwin
from ..core.disclaimer import DISCLAIMER
from ..core.errors import InputError
from ..core.rounding import significant
from ..core.status import Status
from ..core.whole_file import write_whole
from .figures import beat_panels, what_if_panels
from .forest import forest
from .sentences import could_not_tell, day, listed, person, summary
from .tables import fit_cells, foremost, headlines, unmeasured_cells, what_if_cells, what_if_reach

__all__ = ["page", "report"]

TEMPLATES = Path(__file__).parent / "templates"


def report(twin: CalibratedTwin, *predictions: Any, path: str | Path) -> Path:
    """Write the page of a twin, with any number of what-ifs, to `path`; it appears whole or not at all.

    `predictions` are those of `predict`, of this patient or of a cohort that holds the patient. Returns the path.
    Raises `InputError` for a prediction of another patient.
    """
    return write_whole(path, page(twin, *predictions))


def page(twin: CalibratedTwin, *predictions: Any) -> str:
    """The page as text."""
    if not hasattr(twin, "waves"):
        raise InputError(f'`twin` must be one calibrated twin, such as twins["P1"], but got {type(twin).__name__}.')
    shelf = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True,
                               undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    mine = [_of_patient(p, twin.patient) for p in predictions]
    return shelf.get_template("report.html").render(
        style=style, disclaimer=DISCLAIMER, version=__version__, listed=listed, twin=twin, **_context(twin, mine)
    )


def _of_patient(prediction: Any, patient: str) -> Any:
    one = prediction if hasattr(prediction, "waves") else prediction[patient]
    if one.patient != patient:
        raise InputError(f"`predictions` must be of patient {patient!r}, but one is of {one.patient!r}.")
    return one


def _context(twin: CalibratedTwin, predictions: list[Any]) -> dict[str, Any]:
    return {
        "person": person(twin.covariates), "day": day(twin.provenance), "summary": summary(twin),
        "sound": twin.status == Status.OK, "headlines": headlines(twin),
        "fit": [fit_cells(row) for row in twin.fit],
        "panels": [_safe(panel) for panel in beat_panels(twin)], "forest": forest(twin),
        "unknown": could_not_tell(twin), "unmeasured": unmeasured_cells(twin), "modes": _modes(twin),
        "what_ifs": [_what_if(one) for one in predictions], "provenance": _provenance(twin),
        "fates": _fates(twin),
    }  # fmt: skip


def _safe(panel: dict[str, Any]) -> dict[str, Any]:
    return {**panel, "svg": Markup(panel["svg"])}


def _modes(twin: CalibratedTwin) -> list[dict[str, Any]]:
    """All modes when there is more than one, each with the quantities that set it apart from the best."""
    labels = {q.name: q.label for q in twin.quantities}
    best, found = twin.modes[0].parameters if twin.modes else {}, []
    for mode in twin.modes if len(twin.modes) > 1 else ():
        known = [n for n in mode.parameters if n in labels and best.get(n)]
        shares = {n: mode.parameters[n] / best[n] for n in known}
        far = sorted((n for n in shares if abs(shares[n] - 1.0) > 0.05), key=lambda n: -abs(shares[n] - 1.0))[:4]
        apart = [f"{labels[n]} {significant(best[n])} → {significant(mode.parameters[n])}" for n in far]
        found.append({"weight": f"{100.0 * mode.weight:.0f}\N{NO-BREAK SPACE}%", "nats": f"{mode.nats:.1f}",
                      "starts": mode.starts, "description": mode.description, "apart": apart})  # fmt: skip
    return found


def _what_if(one: Any) -> dict[str, Any]:
    reach, front = what_if_reach(one.rows), foremost(one)
    cells = [what_if_cells(row, reach) for row in one.rows]
    return {
        "label": one.label, "description": one.description, "draws": one.draws, "failed": one.failed,
        "left_out": one.left_out,
        "status": one.status, "warning": one.warning, "reach": f"{100.0 * reach:.0f}",
        "headlines": [c for c in cells if c["observable"] in front],
        "others": [c for c in cells if c["observable"] not in front],
        "panels": [_safe(panel) for panel in what_if_panels(one)],
    }  # fmt: skip


def _provenance(twin: CalibratedTwin) -> list[tuple[str, str]]:
    """Plain pairs; a dict (such as the seconds by stage) in one line."""
    pairs = [("circulation", f"{twin.circulation}, version {twin.version}")]
    for key, value in twin.provenance.items():
        if key.startswith("circulation") or value is None:
            continue
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        pairs.append((key.replace("_", " "), text))
    return pairs


def _fates(twin: CalibratedTwin) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for row in twin.rows:
        counts[row.fate] = counts.get(row.fate, 0) + 1
    aside = [row for row in twin.rows if row.fate == "quarantined"]
    aside.sort(key=lambda row: "visit" in row.reason or "condition" in row.reason)  # what can be corrected stands first
    return {
        "rows": twin.rows,
        "aside": aside,
        "counts": listed(f"{n} {fate}" for fate, n in counts.items()),
        "total": len(twin.rows),
    }
