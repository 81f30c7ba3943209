"""The scale on which the noise of a reading has one size wherever the truth lies.

Noise in proportion to the truth cannot be weighed at the reading: one that came out low would count more than one that
came out high, and the fit would lean low (by a third of a posterior sd where an echo's 20 % decide). With
sd(x) = max(relative |x|, least) the scale s(x) = integral of dx / sd(x) is linear up to the knee least / relative and
logarithmic above, and s(reading) - s(truth) is taken as normal with sd 1. Its derivative is 1 / sd(x), and it needs no
determinant, since the data alone are transformed.

Source: variance-stabilising transformation, Bartlett 1947, Biometrics 3:39-52, doi 10.2307/3001536.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

__all__ = ["NoiseScale"]


class NoiseScale(NamedTuple):
    """Noise of readings, elementwise: `sd` where `relative` is 0, else max(relative x, least) at a true value x."""

    sd: Any
    relative: Any
    least: Any

    def __call__(self, x: Any) -> Any:
        """s(x): where a value stands, in noise sds; x may be infinite."""
        xp = _arrays(x)
        grows, relative, knee = self._parts(xp)
        above = (1.0 + xp.log(xp.maximum(x, knee) / knee)) / relative
        return xp.where(grows & (x > knee), above, x / xp.where(grows, self.least, self.sd))

    def sd_at(self, x: Any) -> Any:
        """Noise sd at a true value x, in the unit of the reading: 1 / (ds / dx)."""
        xp = _arrays(x)
        grows, relative, _ = self._parts(xp)
        return xp.where(grows, xp.maximum(relative * x, self.least), self.sd)

    def shifted(self, x: Any, error: Any) -> Any:
        """The reading of a true value x whose noise is `error` sds: s^-1(s(x) + error)."""
        xp = _arrays(x)
        grows, relative, _ = self._parts(xp)
        at = self(x) + error
        above = self.least / relative * xp.exp(xp.where(grows, xp.maximum(relative * at - 1.0, 0.0), 0.0))
        return xp.where(grows & (relative * at > 1.0), above, at * xp.where(grows, self.least, self.sd))

    def _parts(self, xp: Any) -> tuple[Any, Any, Any]:
        """Where noise grows, and its share and knee with safe numbers elsewhere."""
        grows = xp.asarray(self.relative) > 0.0
        relative = xp.where(grows, self.relative, 1.0)
        return grows, relative, xp.where(grows, self.least, 1.0) / relative


def _arrays(x: Any) -> Any:
    """NumPy for its own arrays and numbers, which come in thousands of small calls; else JAX."""
    return np if isinstance(x, np.ndarray | np.generic | float) else jnp
