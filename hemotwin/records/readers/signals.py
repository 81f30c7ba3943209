"""The channels of a waveform record, whatever its format, on their way to the collector."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..codes import target
from ..collect import Collector
from ..reading import Place
from ..signal import Channel, channel_kind, plain, settings
from ..waveform import Summary, latest_number, read_unit, summarise

__all__ = ["offer_channels"]

SLOWEST_WAVE = 2.0  # samples a second: below it a channel is a trend of numbers


def offer_channels(collector: Collector, record: str, patient: str, channels: Sequence[Channel]) -> None:
    """Offer the beat of every pressure channel and the latest number of every trend; all else is set aside by name.

    The heart rate comes from one channel only, arterial before pulmonary: two would count one heart twice.
    """
    collector.see(patient)
    trends = {plain(channel.name) for channel in channels if channel.rate <= SLOWEST_WAVE}
    summaries = {
        k: summarise(channel)
        for k, channel in enumerate(channels)
        if channel.rate > SLOWEST_WAVE and channel_kind(channel.name) is not None
    }
    rated = _rated(channels, summaries)
    for k, channel in enumerate(channels):
        prefix = f"{record} signal "
        if k in summaries:
            _offer_beat(collector, Place(prefix, k + 1, f" {channel.name[:20]}"), patient, summaries[k], k == rated)
        elif channel.rate <= SLOWEST_WAVE:
            _offer_number(collector, Place(prefix, k + 1, f" {channel.name[:20]}"), patient, channel, trends)
        else:
            collector.set_aside(
                Place(prefix, k + 1), patient, channel.name, "", "", "no pressure: its shape is not used"
            )


def _rated(channels: Sequence[Channel], summaries: dict[int, Summary]) -> int | None:
    """The channel that gives the heart rate: of the best kind, then the one with the most beats."""
    order = list(settings()["pressures"])
    able = [k for k, one in summaries.items() if any(value.part == "rate" for value in one.values)]
    best = {k: (order.index(channel_kind(channels[k].name) or order[-1]), -summaries[k].beats) for k in able}
    return min(able, key=lambda k: best[k], default=None)


def _offer_beat(collector: Collector, place: Place, patient: str, one: Summary, rated: bool) -> None:
    if one.reason:
        mean = settings()["pressures"][channel_kind(one.channel)]["mean"]
        collector.refuse_signal(place, patient, target(mean), one.channel, one.reason)
    about = f"median of {one.beats} of {one.seen} beats" if one.seen else f"mean of {one.seconds:.0f} s"
    for value in one.values:
        here = Place(place.prefix, place.number, f"{place.suffix} {value.part}")
        field = f"{one.channel[:20]} {value.part}, {about}"
        if value.reason:
            collector.set_aside(here, patient, field, value.value, value.unit, value.reason)
        elif value.part != "rate" or rated:
            collector.offer(
                here, patient, target(value.observable), field, value.value, value.unit, time=_text(one.time),
                modality="monitor" if value.part == "rate" else one.modality, signal=True,
            )  # fmt: skip
    for found in one.artefacts:
        here = Place(place.prefix, place.number, f"{place.suffix} {found.kind}")
        field = f"{one.channel[:20]} {found.kind}"
        collector.set_aside(here, patient, field, f"{found.seconds:.1f}", "s", found.reason)


def _offer_number(collector: Collector, place: Place, patient: str, channel: Channel, trends: set[str]) -> None:
    rule = settings()["numerics"].get(plain(channel.name))
    if rule is None:
        collector.set_aside(place, patient, channel.name, "", "", "no trend that a twin can use")
        return
    if rule.get("after") in trends:
        reason = f"the same quantity as {rule['after'].upper()}, which is preferred"
        collector.set_aside(place, patient, channel.name, "", "", reason)
        return
    number, time, used, zeros, gaps = latest_number(channel)
    if number is not None:
        field = f"{channel.name[:20]}, median of {used} of {channel.samples} samples"
        collector.offer(
            place, patient, target(rule["observable"]), field, round(number, 4), read_unit(channel.unit),
            time=_text(time), modality=rule["modality"], signal=True,
        )  # fmt: skip
    for kind, count, reason in (
        ("zero", zeros, "zero is a missing value here: no living patient has it"),
        ("missing", gaps, "no sample was recorded"),
    ):
        if count:
            here = Place(place.prefix, place.number, f"{place.suffix} {kind}")
            text = f"{count} of {channel.samples} samples"
            collector.set_aside(here, patient, f"{channel.name[:20]} {kind}", text, "", reason)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")
