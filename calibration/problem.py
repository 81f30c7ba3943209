"""Data, model and prior as arrays: the one object that every fitting method takes.

A lane is one fit: a patient, one choice of hidden values, one start. All arrays have the lanes last.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.system import System
from ..engine.beat import BeatMap, Linearised
from ..physiology.observable import TIE_WIDTH, Observer, all_observables
from .interval import range_cost
from .noise_scale import NoiseScale

__all__ = ["Evaluation", "LaneData", "Problem"]


class LaneData(NamedTuple):
    """Numbers of each lane (lanes last).

    base [P, B] parameter rows with every fixed quantity at its patient's value; centre [N, B] and factor [N, N, B] of
    the prior, theta = centre + factor z; bsa [B] m2; value, sd, mask [C, B] of the channels (sd > 0 everywhere: the
    noise at the value). below, above [C, B]: how far the range of a reading reaches to either side of its value, both 0
    for a number, inf where a limit has no end. relative, least [C, B]: of noise that grows with the truth, else 0.
    """

    base: Any
    centre: Any
    factor: Any
    bsa: Any
    value: Any
    sd: Any
    mask: Any
    below: Any
    above: Any
    relative: Any
    least: Any

    @property
    def noise(self) -> NoiseScale:
        """The scale on which every reading has noise of sd 1."""
        return NoiseScale(self.sd, self.relative, self.least)

    def take(self, lanes: Any) -> LaneData:
        """Some of the lanes, by index."""
        return LaneData(*(field[..., lanes] for field in self))

    def hiding(self, channels: Any) -> LaneData:
        """The same lanes with the channels of a boolean array [C, B] hidden."""
        return self._replace(mask=self.mask * (1.0 - np.asarray(channels, dtype=float)))


class Evaluation(NamedTuple):
    """The data as half a sum of squares, and readings.

    residual [C, B]: half its square is the cost of a reading in nats; push [C, B] and slope [C, N, B]: their product is
    the derivative of the cost in z, and slope slope' its curvature (of a number push is the residual); all 0 where
    masked. reading [C, B], reading_slope [C, N, B] over the noise sd at the value, masked or not; ridge [N, N, B], see
    `Problem.ridge`.
    """

    residual: jax.Array
    push: jax.Array
    slope: jax.Array
    reading: jax.Array
    reading_slope: jax.Array
    ridge: jax.Array


@dataclass(frozen=True)
class Problem:
    """The structure that all lanes share; it is hashed, so that equal problems share compiled programs.

    observables: the observable of every channel; free: names of the free quantities; nuisances: names of zero
    offsets, which follow the free quantities in theta; offsets[c] is the nuisance (index) that shifts channel c's
    reading, or -1; logarithmic[n]: theta holds the logarithm of quantity n; ranges: the channels (index) in which a
    lane has a reading that is known only as a range; precision: that of the beat ("float64" or "float32"), and slopes:
    that of its derivatives, which cost most (float32 ones are exact to some 1e-5 and turn no step astray); all else is
    float64.
    """

    system: System
    observables: tuple[str, ...]
    free: tuple[str, ...]
    nuisances: tuple[str, ...]
    offsets: tuple[int, ...]
    logarithmic: tuple[bool, ...]
    ranges: tuple[int, ...] = ()
    precision: str = "float64"
    slopes: str = "float64"

    @property
    def origin(self) -> tuple[Any, ...]:
        """Its fields and what defines its observables; () where one of them is not this package's own."""
        observer = self.observer
        return (observer, *(getattr(self, f.name) for f in dataclasses.fields(self))) if observer.origin else ()

    @property
    def names(self) -> tuple[str, ...]:
        """Free quantities, then nuisances."""
        return self.free + self.nuisances

    @property
    def rows(self) -> tuple[int, ...]:
        """Parameter rows of the free quantities."""
        return tuple(self.system.parameters.index(name) for name in self.free)

    @property
    def observer(self) -> Observer:
        """The observables of the channels, each once, and the parts of those that are the larger of two."""
        parts = [part for name in self.observables for part in all_observables()[name].larger_of or ()]
        return Observer(self.system, tuple(dict.fromkeys([*self.observables, *parts])))

    @property
    def beat(self) -> BeatMap:
        """The beat with what the observables need."""
        return BeatMap(self.system, self.observer.reductions)

    def linearised(self, parameters: jax.Array, state: jax.Array, steps: Any) -> Linearised:
        """One beat from `state` with its derivatives by states and free rows, float64 in and out."""
        narrow = lambda of: (parameters.astype(of), state.astype(of), steps)  # noqa: E731
        out = self.beat.linearised(*narrow(self.slopes), self.rows)
        if self.precision != self.slopes:
            out = out._replace(**self.beat(*narrow(self.precision))._asdict())
        return jax.tree.map(lambda x: x.astype(parameters.dtype), out)

    def theta(self, data: LaneData, z: jax.Array) -> jax.Array:
        """Unconstrained parameters [N, B] of whitened ones [N, B]."""
        return data.centre + jnp.einsum("nmb,mb->nb", data.factor, z)

    def parameters(self, data: LaneData, z: jax.Array) -> jax.Array:
        """Parameter rows [P, B] with the free ones set from z."""
        theta = self.theta(data, z)
        rows = jnp.asarray(data.base)
        for n, row in enumerate(self.rows):
            rows = rows.at[row].set(jnp.exp(theta[n]) if self.logarithmic[n] else theta[n])
        return rows

    def chain(self, parameters: jax.Array) -> jax.Array:
        """d parameter / d theta of the free rows [F, B]."""
        ones = jnp.ones_like(parameters[0])
        return jnp.stack([parameters[r] if self.logarithmic[n] else ones for n, r in enumerate(self.rows)])

    def evaluate(
        self, data: LaneData, z: jax.Array, parameters: jax.Array, values: jax.Array, slopes: jax.Array
    ) -> Evaluation:
        """Residuals and their derivatives from the reductions [R, B] and their total derivatives [R, F, B]."""
        observer, rows = self.observer, self.rows

        def read(kept: jax.Array, free_rows: tuple[jax.Array, ...]) -> jax.Array:
            full = parameters
            for row, value in zip(rows, free_rows, strict=True):
                full = full.at[row].set(value)
            return observer(kept, full, jnp.asarray(data.bsa))

        reading, push = jax.linearize(read, values, tuple(parameters[r] for r in rows))
        seeds = tuple(jnp.zeros((len(rows), *values.shape[1:])).at[n].set(1.0) for n in range(len(rows)))
        slope = jnp.moveaxis(jax.vmap(push)(jnp.moveaxis(slopes, 1, 0), seeds), 0, 1)
        slope = slope * self.chain(parameters)[None]
        unique = list(observer.names)
        parts, part_slopes = reading, slope
        pick = jnp.asarray([unique.index(name) for name in self.observables])
        reading, slope = reading[pick], slope[pick]
        theta = self.theta(data, z)
        pads = []
        for c, offset in enumerate(self.offsets):
            shift = jnp.zeros((len(self.nuisances), *values.shape[1:]))
            if offset >= 0:
                shift = shift.at[offset].set(1.0)
                reading = reading.at[c].add(theta[len(self.free) + offset])
            pads.append(shift)
        full_slope = jnp.concatenate([slope, jnp.stack(pads)], axis=1) if self.nuisances else slope
        mask, noise = jnp.asarray(data.mask), data.noise
        weight = mask / noise.sd_at(reading)
        in_z = jnp.einsum("cnb,nmb->cmb", full_slope, data.factor)
        whitened = in_z / jnp.asarray(data.sd)[:, None]
        residual = mask * (noise(reading) - noise(jnp.asarray(data.value)))
        push, stiffness = residual, weight
        if self.ranges:
            residual, push, stiffness = self._of_ranges(data, reading, residual, push, stiffness)
        ridge = self.ridge(data, stiffness * push, parts, part_slopes)
        return Evaluation(residual, push, stiffness[:, None] * in_z, reading, whitened, ridge)

    def _of_ranges(
        self, data: LaneData, reading: jax.Array, residual: jax.Array, push: jax.Array, stiffness: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """residual, push and stiffness [C, B] with the channels of `ranges` by what a range costs (`interval.py`)."""
        rows = jnp.asarray(self.ranges)
        noise = NoiseScale(*(jnp.asarray(field)[rows] for field in data.noise))
        value, mask, below, above = (
            jnp.asarray(field)[rows] for field in (data.value, data.mask, data.below, data.above)
        )
        here = noise(reading[rows])
        cost = range_cost(noise(value - below) - here, noise(value + above) - here)
        return (
            residual.at[rows].set(mask * cost.residual),
            push.at[rows].set(mask * cost.push),
            stiffness.at[rows].set(mask * cost.stiffness / noise.sd_at(reading[rows])),
        )

    def ridge(self, data: LaneData, force: jax.Array, parts: jax.Array, slopes: jax.Array) -> jax.Array:
        """Curvature [N, N, B] of the objective across ridges, which Gauss-Newton does not see.

        Where a reading that is the larger of two must fall (force = d cost / d reading > 0) the objective has a crease
        at their tie, and steps that see one side only leap to and fro. Half of sqrt(D^2 + 4 w^2), D their difference,
        lies below its parabola in D of curvature 1 / (2 sqrt(D^2 + 4 w^2)): with it a step runs along the crease.
        """
        names, free = list(self.observer.names), len(self.free)
        ridge = jnp.zeros((len(self.names), len(self.names), *force.shape[1:]), force.dtype)
        for c, name in enumerate(self.observables):
            pair = all_observables()[name].larger_of
            if pair is None:
                continue
            first, second = (names.index(part) for part in pair)
            apart = parts[first] - parts[second]
            curvature = jnp.maximum(force[c], 0.0) * 0.5 / jnp.sqrt(apart**2 + 4.0 * TIE_WIDTH**2)
            along = jnp.einsum("fb,fmb->mb", slopes[first] - slopes[second], data.factor[:free])
            ridge = ridge + curvature[None, None] * along[:, None] * along[None]
        return ridge
