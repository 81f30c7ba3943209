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
# # A messy export, and what it is good for
#
# Two systems, three names for a wedge pressure, a comma for a decimal point, a diastolic pressure above its systolic.
# Before anyone computes anything: what is there, which twins can it serve, and what would it take to serve more?
# Everything here is made up; no row is of a real person. **Not for clinical use.**

# %%
import json
from pathlib import Path
from tempfile import mkdtemp
from textwrap import fill

import matplotlib.pyplot as plt

import hemotwin as ht

export = Path(mkdtemp()) / "export"
export.mkdir()

# %% [markdown]
# ## The export
#
# The catheter laboratory sends a table. It was typed by hand over years.

# %%
table = """patient;observable;value;unit;date;method
A17;Systolic BP;128;mmHg;2024-03-05;cuff
A17;Diastolic BP;79;mmHg;2024-03-05;cuff
A17;mPAP;4,8;kPa;2024-03-05;catheter
A17;mPAP;36;mmHg;2024-03-05;catheter
A17;PAWP;11;mmHg;2024-03-05;catheter
A17;RAP;elevated;;2024-03-05;echo
A17;CO;4.6;L/min;2024-03-05;thermodilution
A17;LVEF;55-60;%;2024-02-20;echo
A17;heart rate;74;bpm;2024-03-05;monitor
A17;SVR;1409;dyn.s/cm5;2024-03-05;
B02;Systolic BP;71;mmHg;2024-04-11;cuff
B02;Diastolic BP;118;mmHg;2024-04-11;cuff
B02;PA systolic;52;mmHg;2024-04-11;catheter
B02;PA diastolic;14;mmHg;2024-04-11;catheter
B02;wedge;17;mmHg;2024-04-11;catheter
B02;CO;5.1;L/min;2024-04-11;thermodilution
B02;CO;5.1;L/min;2024-04-11;thermodilution
B02;CO;7.0;L/min;2024-04-11;Fick
C33;Systolic BP;16.2;;2024-05-02;
C33;Diastolic BP;9.8;;2024-05-02;
C33;CO;4.4;L/min;2019-05-02;thermodilution
C33;PCWP;999;mmHg;2024-05-02;catheter
C33;RVEDP;0;mmHg;2024-05-02;catheter
D40;vigilance index;3;;2024-05-02;
"""
_ = (export / "cathlab.csv").write_text(table)

# %% [markdown]
# The intensive care unit sends FHIR. Its profile writes the pulmonary artery pressure with the codes of the arm, inside
# a panel that says where it was taken; its resistance index is divided by the surface area where it should be
# multiplied.


# %%
def observation(code, value=None, unit=None, **more):
    """An Observation of patient E51 with a LOINC code."""
    about = {"resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/E51"}}
    about["code"] = {"coding": [{"system": "http://loinc.org", "code": code}]}
    about["effectiveDateTime"] = "2024-06-01T09:30:00Z"
    return about | ({"valueQuantity": {"value": value, "code": unit}} if unit else {}) | more


def part(code, value):
    """One component of a pressure panel, in mmHg."""
    of = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return {"code": of, "valueQuantity": {"value": value, "code": "mm[Hg]"}}


pressures = {"85354-9": (104, 61, 75), "76284-9": (41, 19, 27)}  # panel: systolic, diastolic, mean
generic = ("8480-6", "8462-4", "8478-0")
catheter, cuff = {"method": {"text": "catheter"}}, {"method": {"text": "non-invasive cuff"}}
resources = [
    {"resourceType": "Patient", "id": "E51", "gender": "female", "birthDate": "1961-09"},
    *(
        observation(panel, component=[part(*one) for one in zip(generic, three, strict=True)], **how)
        for (panel, three), how in zip(pressures.items(), (cuff, catheter), strict=True)
    ),
    observation("75994-4", 13, "mm[Hg]", **catheter),
    observation("8400-4", 8, "mm[Hg]", **catheter),
    observation("8741-1", 5.6, "L/min", method={"text": "thermodilution"}),
    observation("8867-4", 88, "/min", method={"text": "ECG monitor"}),
    observation("8837-7", 957, "dyn.s/(cm5.m2)"),
    observation("8302-2", dataAbsentReason={"text": "not performed"}),
]
bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}
_ = (export / "icu.json").write_text(json.dumps(bundle))

# %% [markdown]
# ## Reading it
#
# Both files are one folder, and one call. Every row that came in ends with a fate, and the fates add up.

# %%
records = ht.read(export)
print(records.counts_sentence)
records.table("quarantined")

# %% [markdown]
# Nothing was guessed: not the unit of a bare number, not whether a comma is a decimal point, not which of two swapped
# pressures is which. Each row has its reason and, where there is one, the fix. The zero for a right ventricular
# end-diastolic pressure is possible and stays; 999 for a wedge is not. What stayed is seen as it was written: a range
# is a range, and a word is the range that a guideline gives it.

# %%
records["A17"].table()

# %% [markdown]
# What contradicts itself but can be true is kept, with wider errors or with a sentence. What cannot be true is set
# aside, and the sentence says which values the twin lacks for it:

# %%
told = [f"{one.patient}: {sentence}" for one in records for sentence in one.conflicts]
print(*(fill(sentence, 100, subsequent_indent="    ") for sentence in told), sep="\n")
records.quality()

# %% [markdown]
# ## Readiness
#
# A ladder from 0 to 7: each level says what it asks, and who has it.

# %%
before = ht.readiness(records)
before.tables()["Level by level"]

# %%
before.tables()["What it can serve"]

# %% [markdown]
# The level takes each value by itself, so that more data never lower it. What a calibration would take of the record
# as it stands today is less where values contradict each other; who loses what by that, and what to correct:

# %%
before.tables()["Held back"]

# %% [markdown]
# The picture of what is missing, a patient a row:

# %%
names = sorted({name for one in before.patients for name in one.held | one.unusable})
shade = [[2 if n in one.names else 1 if n in one.held | one.unusable else 0 for n in names] for one in before.patients]
fig, axis = plt.subplots(figsize=(8, 2.6))
axis.pcolormesh(shade, cmap="Blues", edgecolors="white", linewidth=2, vmin=0, vmax=2.6)
axis.set_xticks([k + 0.5 for k in range(len(names))], names, rotation=55, ha="right", fontsize=8)
axis.set_yticks([k + 0.5 for k in range(len(shade))], [one.patient for one in before.patients])
axis.set_title("in the best visit (dark), at another time or not usable (light), missing (white)", fontsize=9)
axis.invert_yaxis()
fig.tight_layout()

# %% [markdown]
# ## What it would take
#
# With your own costs the worklist has a price. The shortest way to the next twin stands first.

# %%
costs = export.parent / "costs.yaml"
costs.write_text(
    "currency: EUR\nexaminations: {scale: 2, cuff: 5, monitor: 5, echo: 180, right_heart_catheter: 1500}\n"
)
ht.readiness(records, costs=costs).tables()["Worklist"]

# %% [markdown]
# Some of the gaps need no patient at all, only a pen: the unit of two pressures, the decimal sign, and who may use the
# record for what.

# %%
for wrong, right in {"4,8;kPa": "4.8;kPa", "16.2;;": "16.2;kPa;", "9.8;;": "9.8;kPa;"}.items():
    table = table.replace(wrong, right)
(export / "cathlab.csv").write_text(table)
(export / "governance.yaml").write_text("""steward: Example Heart Centre
licence: CC-BY-4.0
policy: care
consent:
  - {patient: E51, purpose: research, decision: permit}
""")
page = export.parent / "readiness.html"
after = ht.readiness(ht.read(export), path=page)
print(*(fill(repr(one), 100) for one in (before, after)), f"One page, no network needed: {page.name}", sep="\n")
after.tables()["Level by level"]
