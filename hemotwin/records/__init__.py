"""Records as they are: readers, codes, units, plausibility, and an account of every row. Imports without JAX."""

from .read import read
from .record import Measurement, MeasurementSet, Records, RowFate

__all__ = ["Measurement", "MeasurementSet", "Records", "RowFate", "read"]
