"""A closed loop of nine compartments stepped in plain Python: a plausible beat to draw, no model of anyone."""

from __future__ import annotations

import functools
import math

import numpy as np
import xarray as xr

from hemotwin.core.dataset import beat_dataset

PERIOD = 0.84  # s
SITES = (
    "lv",
    "rv",
    "la",
    "ra",
    "aorta",
    "systemic_arteries",
    "systemic_veins",
    "pulmonary_arteries",
    "pulmonary_veins",
)
CONDUITS = ("mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve", "systemic", "pulmonary")


@functools.cache
def beat(pulmonary_resistance: float = 0.75, volume: float = 1200.0) -> xr.Dataset:
    """The steady beat of the small loop: the last of 25 beats, sampled at 241 nodes."""
    steps, kept = 1680, 7
    h = PERIOD / steps
    v, q = [100.0, 150.0, 60.0, 70.0, 110.0, 25.0, 0.0, 52.0, 60.0], [0.0] * 4
    v[6] = volume - sum(v)
    rows: list[tuple[list[float], list[float], list[float]]] = []
    for step in range(25 * steps + 1):
        p = _pressures(v, (step * h) % PERIOD)
        q = _valve_flows(q, p, h)
        around = [(p[4] - p[5]) / 0.03, (p[5] - p[6]) / 1.2, (p[6] - p[3]) / 0.06]
        through = [(p[7] - p[8]) / pulmonary_resistance, (p[8] - p[2]) / 0.02]
        if step >= 24 * steps and step % kept == 0:
            rows.append((p, list(v), [*q, around[1], through[0]]))
        mitral, aortic, tricuspid, pulmonary = q
        change = [
            mitral - aortic,
            tricuspid - pulmonary,
            through[1] - mitral,
            around[2] - tricuspid,
            aortic - around[0],
            around[0] - around[1],
            around[1] - around[2],
            pulmonary - through[0],
            through[0] - through[1],
        ]
        v = [a + h * b for a, b in zip(v, change, strict=True)]
    pressure, held, flow = (np.array(part).T for part in zip(*rows, strict=True))
    return beat_dataset(np.linspace(0.0, PERIOD, pressure.shape[1]), pressure, held, flow, SITES, CONDUITS)


def _bump(t: float, onset: float, rise: float, fall: float) -> float:
    t = (t - onset) % PERIOD
    if t < rise:
        return 0.5 - 0.5 * math.cos(math.pi * t / rise)
    return 0.5 + 0.5 * math.cos(math.pi * (t - rise) / fall) if t < rise + fall else 0.0


def _pressures(v: list[float], t: float) -> list[float]:
    """Chambers by time-varying elastance, vessels by compliance (mmHg)."""
    systole, atrial = _bump(t, 0.0, 0.30, 0.16), _bump(t, 0.70, 0.09, 0.09)
    chambers = [(3.6, 0.06, 12.0), (1.9, 0.05, 20.0), (0.30, 0.12, 10.0), (0.22, 0.10, 6.0)]
    drive = (systole, systole, atrial, atrial)
    laws = enumerate(zip(chambers, drive, strict=True))
    found = [(low + (high - low) * e) * (v[i] - v0) for i, ((high, low, v0), e) in laws]
    return found + [v[k] / c for k, c in zip(range(4, 9), (1.3, 0.3, 75.0, 0.95, 9.0), strict=True)]


def _valve_flows(q: list[float], p: list[float], h: float) -> list[float]:
    """Inertial orifices that close at once: L dq/dt = dp - R q - B q^2."""
    ends = ((2, 0), (0, 4), (3, 1), (1, 7))
    laws = ((4e-4, 4e-3, 1e-5), (6e-4, 0.02, 1.5e-5), (4e-4, 4e-3, 1e-5), (6e-4, 0.02, 1.5e-5))
    return [
        max(0.0, now + h / mass * (p[up] - p[down] - r * now - b * now * abs(now)))
        for now, (up, down), (mass, r, b) in zip(q, ends, laws, strict=True)
    ]
