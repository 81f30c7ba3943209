"""Exposures of an OMOP model to drugs and devices, which give the state that a measurement was taken in.

Source of the model: OHDSI, https://ohdsi.github.io/CommonDataModel/cdm54.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..exposures import Exposures

__all__ = ["EXPOSURES", "take_exposures"]

EXPOSURES = {
    "drug_exposure": (
        "person_id", "drug_concept_id", "drug_source_value", "drug_exposure_start_date", "drug_exposure_start_datetime",
        "drug_exposure_end_date", "drug_exposure_end_datetime",
    ),
    "device_exposure": (
        "person_id", "device_concept_id", "device_source_value", "device_exposure_start_date",
        "device_exposure_start_datetime", "device_exposure_end_date", "device_exposure_end_datetime",
    ),
}  # fmt: skip


def take_exposures(
    exposures: Exposures, table: str, rows: Iterator[tuple[Any, ...]], name_of: Callable[[Any], str]
) -> None:
    """The rows of one exposure table, with the columns of `EXPOSURES` as (person, concept, words, day and time of the
    start, day and time of the end) in text.

    A drug without an end is given on the day of its start, a device without one stays.
    """
    for person, concept, words, start_day, start, end_day, end in rows:
        named, stays = (name_of(concept), words), table == "device_exposure"
        exposures.add(table, person, named, start or start_day, end or end_day, open_ended=stays)
