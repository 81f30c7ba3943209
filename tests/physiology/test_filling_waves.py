"""Early and atrial waves of mitral flow, and their ratio where there is no atrial one."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from hemotwin.physiology.observables.flow import NO_ATRIAL_WAVE, mv_e_a_ratio


class Waves:
    """A beat of which only the peaks of mitral flow are known: early, atrial (mL/s)."""

    def __init__(self, early: Any, atrial: Any) -> None:
        self.early, self.atrial = jnp.asarray(early, jnp.float32), jnp.asarray(atrial, jnp.float32)

    def maximum(self, quantity: str, site: str, window: tuple[Any, Any]) -> Any:
        assert (quantity, site) == ("flow", "mitral_valve")
        return self.early if window == (0.0, "atrial_onset") else self.atrial


def test_ratio_is_that_of_the_peaks_and_ends_where_the_atrium_adds_nothing():
    """A valve that an aortic leak shuts before the atrium contracts passes 0, or the 1e-4 mL/s of its own leak."""
    beat = Waves([400.0, 400.0, 400.0, 400.0], [250.0, 4.001, 0.0, -1e-4])
    np.testing.assert_allclose(mv_e_a_ratio(beat), [1.6, 400.0 / 4.001, NO_ATRIAL_WAVE, NO_ATRIAL_WAVE], rtol=1e-6)
