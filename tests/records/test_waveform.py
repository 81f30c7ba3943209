"""A pressure signal becomes one beat, or says what is wrong with it."""

import numpy as np
import pytest

from hemotwin.records.beats import average, find_beats
from hemotwin.records.signal import believed, settings
from hemotwin.records.waveform import Summary, latest_number, summarise

from .signals import RATE, channel, pulses


def parts(summary: Summary) -> dict[str, float]:
    return {value.part: value.value for value in summary.values if not value.reason}


@pytest.mark.parametrize(
    ("name", "systolic", "diastolic", "beats"),
    [("ABP", 120, 70, 75), ("ART", 88, 42, 96), ("ABP", 210, 110, 140), ("PAP", 28, 9, 96), ("ABP", 150, 60, 45)],
)
def test_pressures_and_rate_of_known_beats_come_back(name, systolic, diastolic, beats):
    values = pulses(systolic=systolic, diastolic=diastolic, beats=beats)
    found = parts(summarise(channel(values, name)))
    assert found["systolic"] == pytest.approx(systolic, abs=1.0)  # between two samples
    assert found["diastolic"] == pytest.approx(diastolic, abs=1.5)  # the foot is sought in the filtered signal
    assert found["mean"] == pytest.approx(values.mean(), abs=0.5)
    assert found["rate"] == pytest.approx(beats, abs=0.5)


def test_dicrotic_wave_is_no_beat_of_its_own():
    summary = summarise(channel(pulses(seconds=30, beats=60)))
    assert summary.seen in (28, 29, 30)


def test_kilopascals_are_converted_and_volts_are_refused():
    assert parts(summarise(channel(pulses() / 7.50062, unit="kPa")))["systolic"] == pytest.approx(120, abs=1.5)
    assert "unit `mV` is not known" in summarise(channel(pulses(), unit="mV")).reason


def test_disconnected_line_is_refused():
    noise = np.random.default_rng(0).normal(0, 8, 60 * int(RATE)) - 10
    assert summarise(channel(noise)).reason.startswith("the line is disconnected")


def test_still_line_is_refused():
    assert "the signal stands still at 63 mmHg" in summarise(channel(np.full(9000, 63.0))).reason


def test_zeros_are_missing_and_no_pressure():
    assert "zero throughout" in summarise(channel(np.zeros(9000))).reason


def test_pressure_too_low_for_an_artery_is_refused_with_the_allowed_range():
    reason = summarise(channel(pulses(systolic=50, diastolic=25))).reason
    assert "implausible as arterial pressure" in reason and "40 to 200 mmHg" in reason


def test_noise_has_no_beats():
    noise = np.random.default_rng(1).normal(90, 25, 60 * int(RATE))
    assert summarise(channel(noise)).values == ()


def test_damped_line_gives_its_mean_alone():
    values = 90 + 15 * np.sin(2 * np.pi * 1.2 * np.arange(60 * int(RATE)) / RATE)
    summary = summarise(channel(values))
    assert set(parts(summary)) == {"mean", "rate"} and parts(summary)["mean"] == pytest.approx(90, abs=1)
    assert "the line is damped" in next(value.reason for value in summary.values if value.part == "systolic")


def test_flush_zeroing_and_gap_are_left_out_and_counted():
    values = pulses(seconds=60)
    values[1000:1500], values[2500:2800], values[4000:4250] = 295.0, 0.0, np.nan
    summary = summarise(channel(values))
    assert {one.kind: round(one.seconds, 1) for one in summary.artefacts} == {"flush": 4.0, "zero": 2.4, "missing": 2.0}
    assert parts(summary)["systolic"] == pytest.approx(120, abs=1.5)
    assert parts(summary)["mean"] == pytest.approx(pulses().mean(), abs=0.7)


def test_extra_beats_do_not_move_the_pressures():
    values = pulses(seconds=60)
    for k in range(10):
        values[k * 700 : k * 700 + 100] *= 0.6
    assert parts(summarise(channel(values)))["systolic"] == pytest.approx(120, abs=2)


def test_latest_usable_stretch_is_taken():
    early, late = pulses(700, systolic=140), pulses(700, systolic=110)
    summary = summarise(channel(np.concatenate([early, late, np.zeros(int(650 * RATE))])))
    assert parts(summary)["systolic"] == pytest.approx(110, abs=1.5)
    assert summary.time is not None and summary.time.hour == 8


def test_too_few_beats_are_refused():
    assert "beats" in summarise(channel(pulses(seconds=4))).reason


def test_venous_line_gives_its_mean_alone():
    assert parts(summarise(channel(pulses(systolic=12, diastolic=4), "CVP"))).keys() == {"mean"}


def test_a_slow_channel_has_no_beat_and_another_signal_is_no_pressure():
    assert "too few to see a beat" in summarise(channel(pulses(rate=10), rate=10)).reason
    assert "no pressure channel" in summarise(channel(pulses(), "PLETH")).reason


def test_averaged_beat_runs_from_foot_to_foot_within_its_extremes():
    values = pulses()
    rules = settings()["pressures"]["arterial_pressure"]
    bad = np.logical_or.reduce(list(believed(values, RATE, rules["flush"]).values()))
    beat = average(values, RATE, find_beats(values, RATE, rules, bad))
    assert beat.beats > 60 and beat.length == pytest.approx(0.8, abs=0.01)
    assert beat.pressure.max() == pytest.approx(120, abs=2) and beat.pressure[0] == pytest.approx(70, abs=2)
    assert float(beat.sd.max()) < 6


def test_trend_takes_zero_as_missing():
    values = np.array([0.0] * 50 + [120, 122, 121, np.nan] + [0.0] * 5)
    number, time, used, zeros, gaps = latest_number(channel(values, "ABPSys", rate=1 / 60))
    assert (number, used, zeros, gaps) == (121, 3, 55, 1) and time is not None


def test_trend_of_zeros_gives_no_number():
    assert latest_number(channel(np.zeros(30), "HR", "bpm", rate=1.0))[0] is None


def test_venous_zero_in_a_trend_is_a_reading():
    assert latest_number(channel(np.zeros(30), "CVP", rate=1.0))[0] == 0
