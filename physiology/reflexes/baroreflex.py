"""Arterial baroreflex: pressure in the carotid sinus sets heart rate, contractility, resistance and venous capacity."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ...core.quantity import quantity
from ...core.reduction import Reduction
from ...core.registry import register
from ..interfaces import Reflex

__all__ = ["Baroreflex"]

URSINO = "Ursino 1998, doi 10.1152/ajpheart.1998.275.5.H1733"
LARGEST_GAIN = 1.0

# Firing rates, spikes/s, Ursino 1998 table 3
AFFERENT_LOW, AFFERENT_HIGH = 2.52, 47.78  # carotid sinus nerve
SYMPATHETIC_FLOOR, SYMPATHETIC_TOP, SYMPATHETIC_DECAY = 2.10, 16.11, 0.0675  # decay in s
VAGAL_LOW, VAGAL_HIGH, VAGAL_CENTRE, VAGAL_WIDTH = 3.2, 6.3, 25.0, 7.06
THRESHOLD = 2.66  # sympathetic rate below which no effector answers
SENSOR_WIDTH = 11.758  # mmHg, pressure over which the sinus nerve's rate rises e-fold about its centre
SENSOR_LAG, SENSOR_LEAD = 2.076, 6.37  # s, the sinus answers to the pressure's rate of change as well

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
PHASES = tuple(float(x) for x in 0.5 * (1.0 - NODES))  # share of the beat that is left
SHARES = tuple(float(w) for w in 0.5 * WEIGHTS)
PULSELESS = 1e-6  # mmHg added to the pulse so that a beat without one has a shape (it then does not matter)


@register("reflex", "baroreflex")
class Baroreflex(Reflex):
    """Arterial baroreflex about the patient's own resting pressure, with sympathetic and vagal arms (Ursino 1998).

    The sinus nerve fires by a sigmoid of P + (lead - lag) dP/dt, centred on the resting mean (the reflex resets to the
    pressure that prevails); sympathetic rate falls and vagal rate rises with it. Each effector follows the logarithm of
    the sympathetic rate (the heart's period the vagal rate as well) above its value at rest, after a delay and with its
    own time constant. Rates are averaged over the beat, whose waveform stands in as a falling curve through its
    largest, smallest and mean pressure, and move the effectors once, at its end; a delay is a first-order lag of the
    same mean. Gains are those of the paper as fractions of its basal values; the two peripheral beds are in parallel.
    Short term only: no kidney, no hormones, no shift of fluid, no response of the cardiopulmonary receptors.
    """

    states = {  # noqa: RUF012
        "sinus_pressure": "mmHg", "sympathetic": "1", "sympathetic_to_veins": "1", "contractility": "1",
        "resistance": "1", "venous_tone": "1", "period_sympathetic": "1", "period_vagal": "1",
    }  # fmt: skip
    weights = (1.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 100.0)  # 1 % of an effector's scale counts as 1 mL
    senses = tuple(Reduction(kind, "pressure", "arterial_line") for kind in ("maximum", "minimum", "mean"))
    acts_on = ("heart_rate", "systemic.resistance", "stressed_volume", "lv.maximal_elastance", "rv.maximal_elastance")

    contractility_gain: float = quantity(
        0.161, "1", doc="rise of both ventricles' maximal elastance per unit of sympathetic drive",
        bounds=(0.0, LARGEST_GAIN), source=f"{URSINO}: 0.475 of 2.95 and 0.282 of 1.75 mmHg/mL",
    )  # fmt: skip
    resistance_gain: float = quantity(
        0.327, "1", doc="rise of systemic resistance per unit of sympathetic drive", bounds=(0.0, LARGEST_GAIN),
        source=f"{URSINO}: 0.695 of 3.307 and 0.53 of 1.407 mmHg s/mL in parallel",
    )  # fmt: skip
    venous_gain: float = quantity(
        398.0, "mL", doc="blood that the veins give up per unit of sympathetic drive", bounds=(0.0, 1500.0),
        source=f"{URSINO}: 265.4 and 132.5 mL",
    )  # fmt: skip
    sympathetic_period_gain: float = quantity(
        0.152, "1", doc="shortening of the heart's period per unit of sympathetic drive", bounds=(0.0, 0.3),
        source=f"{URSINO}: 0.13 s, here of 60/70 s",
    )  # fmt: skip
    vagal_period_gain: float = quantity(
        0.105, "s", doc="lengthening of the heart's period per spike/s of vagal rate", bounds=(0.0, 0.2),
        source=f"{URSINO}: 0.09 s per spike/s, here of 60/70 s",
    )  # fmt: skip
    contractility_time: float = quantity(
        8.0, "s", doc="time constant of contractility", bounds=(0.5, 120.0), source=URSINO
    )
    resistance_time: float = quantity(6.0, "s", doc="time constant of resistance", bounds=(0.5, 120.0), source=URSINO)
    venous_time: float = quantity(20.0, "s", doc="time constant of venous tone", bounds=(0.5, 300.0), source=URSINO)
    sympathetic_period_time: float = quantity(
        2.0, "s", doc="time constant of the sympathetic arm on the period", bounds=(0.1, 60.0), source=URSINO
    )
    vagal_period_time: float = quantity(
        1.5, "s", doc="time constant of the vagal arm on the period", bounds=(0.1, 60.0), source=URSINO
    )
    sympathetic_delay: float = quantity(
        2.0, "s", doc="delay of the sympathetic arm to heart and arterioles", bounds=(0.1, 20.0), source=URSINO
    )
    venous_delay: float = quantity(
        5.0, "s", doc="delay of the sympathetic arm to the veins", bounds=(0.1, 30.0), source=URSINO
    )

    def drives(self, sensed: tuple[Any, ...], sinus_pressure: Any, centre: Any) -> tuple[Any, Any]:
        """Mean over a beat of the effectors' sympathetic drive (1) and of the vagal rate (spikes/s).

        sensed: largest, smallest and mean arterial pressure; sinus_pressure: its slow part; centre: of the sigmoid; all
        mmHg. The slow part passes once, what is above it lead/lag-fold.
        """
        high, low, mean = sensed
        form = (mean - low + 0.5 * PULSELESS) / (high - low + PULSELESS)
        sympathetic, vagal = 0.0, 0.0
        for left, share in zip(PHASES, SHARES, strict=True):
            pressure = low + (high - low) * jnp.exp((1.0 / form - 1.0) * float(np.log(left)))
            felt = sinus_pressure + SENSOR_LEAD / SENSOR_LAG * (pressure - sinus_pressure)
            # The logistic function in its tanh form, which overflows on neither side.
            rise = 0.5 * (1.0 + jnp.tanh(0.5 * (felt - centre) / SENSOR_WIDTH))
            afferent = AFFERENT_LOW + (AFFERENT_HIGH - AFFERENT_LOW) * rise
            rate = SYMPATHETIC_FLOOR + (SYMPATHETIC_TOP - SYMPATHETIC_FLOOR) * jnp.exp(-SYMPATHETIC_DECAY * afferent)
            sympathetic = sympathetic + share * jnp.log(1.0 + jnp.maximum(rate - THRESHOLD, 0.0))
            braked = 0.5 * (1.0 + jnp.tanh(0.5 * (afferent - VAGAL_CENTRE) / VAGAL_WIDTH))
            vagal = vagal + share * (VAGAL_LOW + (VAGAL_HIGH - VAGAL_LOW) * braked)
        return sympathetic, vagal

    def acting(self, states: tuple[Any, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Heart rate, resistance, stressed volume and both elastances in force, from those at rest."""
        _, _, _, contractility, resistance, venous_tone, sympathetic, vagal = states
        rate, systemic, stressed, left, right = values
        stretch = 1.0 - self.sympathetic_period_gain * sympathetic + self.vagal_period_gain * vagal
        stronger = 1.0 + self.contractility_gain * contractility
        return (rate / stretch, systemic * (1.0 + self.resistance_gain * resistance),
                stressed + self.venous_gain * venous_tone, left * stronger, right * stronger)  # fmt: skip

    def after_beat(
        self, states: tuple[Any, ...], sensed: tuple[Any, ...], rest: tuple[Any, ...], period: Any
    ) -> tuple[Any, ...]:
        """States after a beat of `period` seconds; `sensed` and `rest` as in `senses`."""
        slow, near, far, contractility, resistance, venous_tone, sympathetic, vagal = states
        centre, zero = rest[2], jnp.zeros_like(rest[2])
        drive, brake = self.drives(sensed, centre + slow, centre)
        drive_at_rest, brake_at_rest = self.drives(rest, centre + zero, centre)
        drive, brake = drive - drive_at_rest, brake - brake_at_rest
        toward = lambda x, goal, time: goal + (x - goal) * jnp.exp(-period / time)  # noqa: E731
        near_after, far_after = toward(near, drive, self.sympathetic_delay), toward(far, drive, self.venous_delay)
        middle, middle_far = 0.5 * (near + near_after), 0.5 * (far + far_after)
        return (
            toward(slow, sensed[2] - centre, SENSOR_LAG),
            near_after,
            far_after,
            toward(contractility, middle, self.contractility_time),
            toward(resistance, middle, self.resistance_time),
            toward(venous_tone, middle_far, self.venous_time),
            toward(sympathetic, middle, self.sympathetic_period_time),
            toward(vagal, brake, self.vagal_period_time),
        )
