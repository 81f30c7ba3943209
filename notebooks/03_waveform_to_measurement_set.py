# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a waveform to a measurement set
#
# A monitor records pressures for hours; a twin needs one beat of which somebody can say that it is a beat. Here a
# signal is made whose truth is known, spoilt the way signals are, written as WFDB and as EDF, and read back.
# Synthetic throughout: no signal is of a real person. **Not for clinical use.**
#
# Needs the extra `wave`: `pip install '.[native,wave]'` in the checkout.

# %%
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pyedflib
import wfdb

import hemotwin as ht

folder, rate, begins = Path(mkdtemp()), 125, datetime(2024, 3, 1, 8, 0, 0)  # rate: samples a second
random = np.random.default_rng(7)

# %% [markdown]
# ## Pressures whose truth is known
#
# Two minutes at 72 beats a minute: an upstroke, a decay and a dicrotic wave between a systolic and a diastolic pressure
# that are set here. Breathing moves the whole line by 2 mmHg.

# %%
time = np.arange(120 * rate) / rate
phase = (time * 72 / 60) % 1.0
shape = np.where(phase < 0.15, 0.5 - 0.5 * np.cos(np.pi * phase / 0.15), np.exp(-(phase - 0.15) / 0.25))
shape = shape + 0.12 * np.exp(-(((phase - 0.45) / 0.05) ** 2)) * (phase > 0.15)
shape = (shape - shape.min()) / np.ptp(shape)
breath = np.sin(2 * np.pi * time * 14 / 60)


def pressure(systolic, diastolic):
    """mmHg, with breathing and the noise of a transducer."""
    return diastolic + (systolic - diastolic) * shape + 2 * breath + random.normal(0, 0.4, len(time))


truth = {"ABP": (124, 71), "PAP": (46, 19)}
arterial, pulmonary = (pressure(*both) for both in truth.values())
venous = 9 + 2 * breath + np.sin(4 * np.pi * phase)

# %% [markdown]
# Then what happens at a bedside: the line is flushed, it is opened to air, and for a while nobody recorded anything.

# %%
arterial[20 * rate : 23 * rate] = 298.0  # flush
arterial[48 * rate : 52 * rate] = 0.0  # opened to air for zeroing
arterial[75 * rate : 81 * rate] = np.nan  # not recorded
signals = {"ABP": arterial, "PAP": pulmonary, "CVP": venous, "PLETH": shape}
units = {"ABP": "mmHg", "PAP": "mmHg", "CVP": "mmHg", "PLETH": "NU"}

fig, axes = plt.subplots(1, 2, figsize=(9, 2.8), width_ratios=(2, 1))
for axis, window in zip(axes, (slice(None), slice(0, 4 * rate)), strict=True):
    for name in truth:
        axis.plot(time[window], signals[name][window], linewidth=0.8, label=name)
    axis.set(xlabel="time (s)", ylabel="pressure (mmHg)")
axes[0].legend(frameon=False, ncols=2)
fig.tight_layout()

# %% [markdown]
# ## The same signal in two formats
#
# WFDB keeps a gap as such. EDF has no word for one, so its writer puts a zero there.

# %%
wave = folder / "wfdb"
wave.mkdir()
wfdb.wrsamp(
    "w7", fs=rate, units=list(units.values()), sig_name=list(signals), p_signal=np.column_stack(list(signals.values())),
    fmt=["16"] * len(signals), write_dir=str(wave), base_datetime=begins,
)  # fmt: skip

with pyedflib.EdfWriter(str(folder / "w7.edf"), len(signals), file_type=pyedflib.FILETYPE_EDFPLUS) as file:
    file.setPatientCode("w7")
    file.setStartdatetime(begins)
    span = {"physical_max": 320, "physical_min": -80, "digital_max": 32767, "digital_min": -32768}
    file.setSignalHeaders([{"label": n, "dimension": units[n], "sample_frequency": rate, **span} for n in signals])
    file.writeSamples([np.nan_to_num(one) for one in signals.values()])

# %% [markdown]
# ## Read to a beat
#
# A channel gives its pressures as the median over the beats that can be believed; the field says over how many. What
# cannot be believed is counted in seconds, and a channel that is no pressure is named and left.

# %%
record = ht.read(wave)
record.table()

# %% [markdown]
# The measurement set is what a twin is made of. The mean of a signal was averaged over it and counts; one that was
# typed beside systolic and diastolic pressure, and is what their formula gives, would tell nothing new and not count.

# %%
record["w7"].table()

# %% [markdown]
# Against the truth (systolic and diastolic, mmHg), from both formats:

# %%
both = {"WFDB": record["w7"], "EDF": ht.read(folder / "w7.edf")["w7"]}
parts = {"ABP": ("sbp", "dbp"), "PAP": ("pa_pressure_systolic", "pa_pressure_diastolic")}
for form, one in both.items():
    found = {m.observable: m.value for m in one}
    for name, pair in parts.items():
        said = " / ".join(f"{found[part]:.1f}" for part in pair)
        print(f"{form:5} {name}: read {said}, set {' / '.join(map(str, truth[name]))}")
    print(f"{form:5} heart rate: read {found['heart_rate']:.1f}, set 72 /min")

# %% [markdown]
# ## A line that cannot be believed
#
# A damped line still knows its mean and its rate; its systolic and diastolic pressure are refused. A disconnected one
# knows nothing.

# %%
spoilt = {"damped": 92 + 13 * np.sin(2 * np.pi * time * 72 / 60), "open": random.normal(-8, 6, len(time))}
for name, values in spoilt.items():
    (folder / name).mkdir()
    wfdb.wrsamp(
        name, fs=rate, units=["mmHg"], sig_name=["ABP"], p_signal=values[:, None], fmt=["16"],
        write_dir=str(folder / name), base_datetime=begins,
    )  # fmt: skip
    faulty = ht.read(folder / name)
    print(faulty[name])
    print(*(fill(row.message, 100) for row in faulty.rows if row.fate == "quarantined"), sep="\n")

# %% [markdown]
# ## With the rest of the record
#
# The wedge pressure and the output were charted by hand. In one folder they are one patient, and together they serve
# more than either alone.

# %%
(wave / "charted.csv").write_text("""patient,observable,value,unit,time,method
w7,pcwp,14,mmHg,2024-03-01T08:01:00,catheter
w7,co,4.9,L/min,2024-03-01T08:01:30,thermodilution
w7,sex,female,,,
w7,age,63,a,,
""")
whole = ht.read(wave)
print(record["w7"], whole["w7"], sep="\n")
ht.readiness(whole).tables()["What it can serve"]
