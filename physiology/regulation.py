"""From a declared reflex to the `Feedback` that the engine sees."""

from __future__ import annotations

import functools

from ..core.errors import InputError
from ..core.feedback import Feedback
from ..core.layout import Layout
from ..core.quantity import declared
from ..core.registry import look_up
from .circulation import Circulation
from .interfaces import Reflex

__all__ = ["feedback", "fitting_reflex"]


def fitting_reflex(name: str, circulation: Circulation) -> Reflex:
    """The reflex registered under `name`; raises `InputError` where the circulation lacks what it reads or acts on."""
    reflex: Reflex = look_up("reflex", name)()
    lacking = [q for q in reflex.acts_on if q not in circulation.all_quantities()]
    lacking += [r.site for r in reflex.senses if r.site not in circulation.readings]
    if lacking:
        raise InputError(
            f"`reflex` must act on quantities of the circulation, but {circulation.registered_name!r} lacks "
            f"{', '.join(dict.fromkeys(lacking))} that {name!r} needs; use reflex=None, or circulation('adult')."
        )
    return reflex


@functools.lru_cache(maxsize=8)
def feedback(name: str) -> Feedback:
    """The feedback of a registered reflex, built once."""
    reflex: Reflex = look_up("reflex", name)()
    own = [q for q in declared(reflex) if not q.shape]
    return Feedback(
        name=name,
        states=Layout(tuple(f"{name}.{s}" for s in reflex.states), tuple(reflex.states.values())),
        weights=reflex.weights,
        senses=reflex.senses,
        acts_on=reflex.acts_on,
        parameters=Layout(tuple(f"{name}.{q.name}" for q in own), tuple(q.unit for q in own)),
        act=lambda p, states, values: _bound(reflex, p).acting(states, values),
        update=lambda p, states, sensed, rest, period: _bound(reflex, p).after_beat(states, sensed, rest, period),
    )


def _bound(reflex: Reflex, p: dict[str, object]) -> Reflex:
    return reflex.bound_to({name.partition(".")[2]: value for name, value in p.items()})
