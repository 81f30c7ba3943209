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
# # A first twin
#
# One real patient with pulmonary arterial hypertension, from the record to a calibrated twin, two what-ifs and a page.
# **Not for clinical use.**

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt

import hemotwin as ht

# %% [markdown]
# ## The record
#
# Nine patients from Colunga et al. 2023 (J R Soc Interface 20:20220735, CC BY 4.0). Every row ends with a fate: *used*,
# *derived* (a mean computed from systolic and diastolic is shown but never counted as a measurement), *duplicate* or
# *quarantined*. No heart rate was written down for any of them.

# %%
records = ht.read("../configs/records/ph9.csv").select(["P1"])
records.table()

# %% [markdown]
# ## The model
#
# The default adult circulation: four chambers, four valves with inertia, systemic and pulmonary beds, pericardium and
# thorax. Each quantity has a unit, bounds and a source.

# %%
model = ht.circulation("adult")
model

# %% [markdown]
# ## Calibration
#
# Every quantity starts from a prior scaled to the patient's sex, age and size. The data move what they can, and the
# rest stays where the prior had it. The column *without it* is the twin's answer when that value is hidden from it,
# with its 95 % interval, which is the fair test of a twin.

# %%
twins = ht.calibrate(model, records, prior="adult_wide", noise="clinical", starts=8, seed=0)
twin = twins["P1"]
twin.table()

# %% [markdown]
# What the data informed, what was assumed, and what contradicts itself:

# %%
print("Informed by the data:", ", ".join(twin.informed))
print(*twin.assumptions, *twin.conflicts, sep="\n")
print(twin.certificate.sentence)

# %% [markdown]
# ## Two what-ifs
#
# Each posterior draw solves its own baseline and its own what-if, so the interval of the change is that of a pair.

# %%
nitric_oxide = ht.predict(twins, ht.scenario("inhaled_nitric_oxide"))
nitric_oxide["P1"].table()

# %%
bolus = ht.predict(twins, ht.scenario("fluid_bolus", volume="500 mL", over="10 min"))
bolus["P1"].table()

# %% [markdown]
# The right ventricle before and after: its loop grows with the bolus, and its pressure falls with nitric oxide. The
# loops are those of the best fit alone; the tables above have the intervals.

# %%
fig, axis = plt.subplots(figsize=(5, 3.5))
loops = {
    "before": twin.waves,
    "nitric oxide": nitric_oxide["P1"].waves,
    "500 mL bolus": bolus["P1"].waves,
}
for label, waves in loops.items():
    axis.plot(waves.volume.sel(site="rv"), waves.pressure.sel(site="rv"), label=label)
axis.set(xlabel="RV volume (mL)", ylabel="RV pressure (mmHg)")
axis.legend(frameon=False)
axis.set_title("best fit; no volume was measured. Not for clinical use.", fontsize=9)
fig.tight_layout()

# %% [markdown]
# ## Keep it, and hand it over

# %%
folder = Path(mkdtemp())
twins.save(folder / "first.zarr")
print(ht.load(folder / "first.zarr").patients)
print(Path(ht.report(twin, nitric_oxide, bolus, path=folder / "P1.html")).name)
