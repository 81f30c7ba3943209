"""Write docs/data-dictionary.md: every name, code, unit, kind, fate, rule and level that a record is read with.

    python scripts/make_data_dictionary.py [--into FILE]

Everything in it comes from the tables that the readers themselves use; the same tables give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hemotwin.calibration.likelihood import NoiseRule, load_noise
from hemotwin.core.configs import config_path, load_yaml
from hemotwin.core.units import known_units, spellings
from hemotwin.records.codes import ObservableInfo, find_code, info, modalities, observables
from hemotwin.records.kinds import KINDS, NOT_COUNTED
from hemotwin.records.ladder import ladder, left_without
from hemotwin.records.needs import examinations, questions, twins
from hemotwin.records.policy import load_policy, purposes
from hemotwin.records.quality_rules import Rule, load_rules
from hemotwin.records.readers.headers import HEADERS, IN_MEMORY
from hemotwin.records.rows import FATE_MEANINGS
from hemotwin.records.signal import settings
from hemotwin.records.wide_form import wide_form

INTO = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"
CODE_SYSTEMS = {"loinc": "LOINC", "snomed": "SNOMED CT", "mdc": "ISO/IEEE 11073 (MDC)"}
RULE_FACTS = ("category", "check", "severity", "consequence", "label", "why", "source")  # have a column or are prose
ROLES = {
    "patient": "who the value is of; without it all rows are one patient, named after the file",
    "observable": "what was read: a name, another word for it, or a LOINC code",
    "value": "a number, a range (55-60), a limit (<10) or a known word",
    "unit": "UCUM or a clinical spelling",
    "sd": "standard deviation of the error, in that unit; without it the usual error is taken",
    "time": "ISO 8601 date or time; a date and a time of day may stand in two columns",
    "modality": "how it was taken",
    "condition": "the state it was taken in; without it rest",
    "consent": "purposes that the value may be used for",
    "mark": "measured, synthetic or predicted by a model; a prediction is no measurement and is set aside",
}


def main() -> None:
    """Write the dictionary and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=INTO)
    path = parser.parse_args().into
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data_dictionary(), encoding="utf-8")
    print(path)


def data_dictionary() -> str:
    """The whole dictionary as Markdown."""
    sections = {
        "Observables": _observables(), "Codes and names of observables": _codes(),
        "Where the codes are from": _code_sources(), "Covariates": _covariates(),
        "Pressure panels": _panels(), "Recognised, not used": _recognised(), "How a reading was taken": _modalities(),
        "Usual errors": _errors(), "Kinds of value": _kinds(), "Words that stand for a range": _words(),
        "Fates of a row": _fates(), "Quality rules": _rules(), "Visit and condition": _visits(),
        "Readiness levels": _levels(), "Twins and questions": _needs(), "Columns of a table": _columns(),
        "Units": _units(), "Waveforms and monitor numerics": _waveforms(), "OMOP concepts": _omop(),
        "Purposes and policies": _governance(),
    }  # fmt: skip
    links = "\n".join(f"- [{title}](#{title.lower().replace(',', '').replace(' ', '-')})" for title in sections)
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"""# Data dictionary

What hemotwin reads from a record: names, codes, units, kinds of value, what becomes of a row, and the rules that it is
judged by. Written by `python scripts/make_data_dictionary.py` from the tables that the readers use: change those, not
this page. LOINC codes are copyright Regenstrief Institute, <https://loinc.org/license>.

{links}

{body}
"""


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def line(cells: Sequence[Any]) -> str:
        texts = ("" if cell is None else " ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(texts)} |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)])


def _listed(words: Iterable[Any]) -> str:
    return ", ".join(str(word) for word in words)


def _read_there(read: bool | list[str]) -> str:
    """Which pressures of a place are read."""
    return _listed(read) if isinstance(read, list) else "yes" if read else "no"


def _code(word: str) -> str:
    return f"`{word}`"


def _data(*parts: str) -> dict[str, Any]:
    return load_yaml(config_path(*parts))


def _range(one: ObservableInfo) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:g} to {one.high:g}"


def _observables() -> str:
    rows = [[_code(one.name), one.label, one.unit, _range(one), modalities()[one.modality], one.source]
            for one in observables().values()]  # fmt: skip
    text = (
        "A value outside the plausible range is a typing, unit or channel error and is set aside; the range is wide of "
        'any normal range. "Taken by" holds where the record does not say.'
    )
    columns = ["name", "reading", "unit inside", "plausible", "taken by", "range widened from"]
    return f"{text}\n\n{_table(columns, rows)}"


def _written_codes(entry: Mapping[str, Any], system: str) -> str:
    return _listed(
        f"{code['code']} ({modalities()[code['modality']]})" if isinstance(code, Mapping) else code
        for code in entry.get(system, ())
    )


def _coded(entries: Mapping[str, Any]) -> list[list[Any]]:
    return [
        [_code(name), *(_written_codes(entry, system) for system in CODE_SYSTEMS), _listed(entry.get("aliases", ()))]
        for name, entry in entries.items()
    ]


def _codes() -> str:
    text = "Case, blanks, hyphens and underscores do not matter in a word. A method in parentheses comes with the code."
    rows = _coded(_data("codes", "observables.yaml")["observables"])
    return f"{text}\n\n{_table(['name', *CODE_SYSTEMS.values(), 'other words'], rows)}"


def _code_sources() -> str:
    rows = [[one["label"], *(_listed(one.get(system, ())) for system in CODE_SYSTEMS)]
            for one in _data("codes", "code_sources.yaml")["sources"].values()]  # fmt: skip
    return _table(["source", *CODE_SYSTEMS.values()], rows)


def _covariates() -> str:
    entries = _data("codes", "observables.yaml")["covariates"]
    rows = [[*row[:1], info(name).unit, _range(info(name)), *row[1:]]
            for name, row in zip(entries, _coded(entries), strict=True)]  # fmt: skip
    text = "Who the patient is: they scale the prior and are no evidence of the circulation."
    sexes = "; ".join(f"{sex}: {_listed(words)}" for sex, words in entries["sex"]["values"].items())
    table = _table(["name", "unit inside", "plausible", *CODE_SYSTEMS.values(), "other words"], rows)
    return f"{text}\n\n{table}\n\nWays of writing the sex: {sexes}."


def _panels() -> str:
    data = _data("codes", "observables.yaml")
    panels = [[entry["label"], *(_written_codes(entry, system) for system in CODE_SYSTEMS),
               *(_code(entry[part]) for part in ("systolic", "diastolic", "mean"))]
              for entry in data["panels"].values()]  # fmt: skip
    generic = [[part, *(_written_codes(entry, system) for system in CODE_SYSTEMS)]
               for part, entry in data["generic"].items()]  # fmt: skip
    text = (
        "The panel's code says where a pressure was taken. A specific code wins over a generic one; a generic "
        "systolic, diastolic or mean code takes its site from the panel, and means nothing inside a panel that is not "
        "known. Codes that contradict each other or their panel are set aside. A bodySite decides for a code that "
        "leaves the site open: at a place that is read so, it means the part of the place's panel; at another of these "
        "places it is set aside with the code to give; at a place that is not listed it is set aside, and without a "
        "bodySite it is an arm's."
    )
    sites = [[entry["label"], _read_there(entry["read"]), _written_codes(entry, "snomed"),
              _listed([*entry["words"], *entry.get("abbreviations", ())])]
             for entry in _data("codes", "body_sites.yaml")["sites"].values()]  # fmt: skip
    systems = list(CODE_SYSTEMS.values())
    return (
        f"{text}\n\n{_table(['panel', *systems, 'systolic', 'diastolic', 'mean'], panels)}\n\n"
        f"{_table(['generic part', *systems], generic)}\n\n"
        f"{_table(['bodySite', 'read so', CODE_SYSTEMS['snomed'], 'words'], sites)}"
    )


def _recognised() -> str:
    entries = _data("codes", "observables.yaml")["recognised"]
    rows = [[row[0], entry["label"], entry.get("derived"), entry.get("unit"), *row[1:]]
            for entry, row in zip(entries.values(), _coded(entries), strict=True)]  # fmt: skip
    text = "Readings that no circulation here predicts: known by name, and set aside as such."
    return (
        f"{text}\n\n{_table(['name', 'reading', 'function of', 'unit', *CODE_SYSTEMS.values(), 'other words'], rows)}"
    )


def _modalities() -> str:
    words = _data("codes", "observables.yaml")["modalities"]
    rows = [[_code(name), label, _listed(words[name]["words"])] for name, label in modalities().items()]
    return f"The first match in a method text or column wins.\n\n{_table(['name', 'label', 'words'], rows)}"


def _errors() -> str:
    noise = load_noise("clinical")
    rows = [[_code(name), modalities().get(way, "any"), _error(one), one.source]
            for name, ways in noise.rules.items() for way, one in ways.items()]  # fmt: skip
    text = (
        "Standard deviation of a reading around the model's steady beat (`configs/noise/clinical.yaml`), the same for "
        "everyone. An error in the record itself goes first. A share is one of the true value: above its least size "
        "such an error is normal in the logarithm."
    )
    return f"{text}\n\n{_table(['name', 'taken by', 'error (sd)', 'source'], rows)}"


def _error(one: NoiseRule) -> str:
    unit = "" if one.unit == "1" else f" {one.unit}"
    if one.sd is not None:
        return f"{one.sd:g}{unit}"
    return f"{100 * (one.relative or 0.0):g} %, at least {one.least:g}{unit}"


def _kinds() -> str:
    rows = [[_code(kind), meaning, "no" if kind in NOT_COUNTED else "yes"] for kind, meaning in KINDS.items()]
    text = "Decided for each value by itself, never for a column."
    return f"{text}\n\n{_table(['kind', 'meaning', 'evidence'], rows)}"


def _words() -> str:
    data = _data("codes", "ordinals.yaml")
    rows = [[_code(name), _listed(grade["words"]), f"{grade['range'][0]:g} to {grade['range'][1]:g} {entry['unit']}",
             data["sources"][grade["source"]]]
            for name, entry in data["ordinals"].items() for grade in entry["grades"]]  # fmt: skip
    text = "A word without an entry is refused: nothing is guessed from it."
    return f"{text}\n\n{_table(['name', 'words', 'range', 'source'], rows)}"


def _fates() -> str:
    text = "Every row of a source ends with one of four fates; they add up to the rows that were read."
    return f"{text}\n\n{_table(['fate', 'meaning'], [[_code(fate), words] for fate, words in FATE_MEANINGS.items()])}"


def _rules() -> str:
    rows = [[_code(name), one.label, one.category, one.severity, one.consequence, _limits(one)]
            for name, one in load_rules().items()]  # fmt: skip
    text = (
        "Categories as in the OHDSI data quality dashboard (Kahn 2016, doi 10.13063/2327-9214.1244). Consequence: "
        "quarantine sets the value aside with the reason, widen keeps it with a larger error, note keeps it as it is."
    )
    return f"{text}\n\n{_table(['rule', 'finds', 'category', 'severity', 'consequence', 'limits'], rows)}"


def _limits(one: Rule) -> str:
    return "; ".join(f"{key} {_plain(value)}" for key, value in one.limits.items() if key not in RULE_FACTS)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return _listed(f"{key} {number}" for key, number in value.items())
    return _listed(value) if isinstance(value, list) else str(value)


def _visits() -> str:
    data = _data("codes", "visits.yaml")
    body = data["body"]
    reach = [[_listed(map(_code, data["slow"])) if name == "slow" else "all other readings",
              f"{one['value']:g} {one['unit']}", one["source"]] for name, one in data["reach"].items()]  # fmt: skip
    states = [[_code(name), _listed(words)] for name, words in data["conditions"].items()]
    text = (
        "A twin is of one visit and one condition. A reading that lies further from the visit than its reach is set "
        f"aside; a height or weight taken more than {body['value']:g} {body['unit']} away is reported."
    )
    given = (
        "A reading that does not say its condition has that of the drugs and devices with such a name that the patient "
        "was on at its time, by OMOP `drug_exposure` and `device_exposure` or FHIR `MedicationAdministration` and "
        "`DeviceUseStatement` in any file of the record; prescriptions are no state."
    )
    return "\n\n".join(
        [text, _table(["readings", "reach", "source"], reach), _table(["condition", "words"], states), given]
    )


def _levels() -> str:
    rows = [[one.level, one.label, _listed(one.asks), _listed(map(_code, one.twins))] for one in ladder()]
    lost = _listed(f"level {level} without {what}" for what, level in left_without().items())
    table = _table(["level", "the data set holds", "asks of a reading", "serves one of"], rows)
    text = "In the manner of EMRAM (HIMSS); each level holds all below it."
    return f"{text}\n\n{table}\n\nWhat is left of the top level when something is taken away: {lost}."


def _needs() -> str:
    served = [*twins().values(), *questions().values()]
    ways = {need: alternatives for one in served for need, alternatives in one.needs.items()}
    rows = [[_code(one.name), one.label, _listed(map(_spaced, one.needs)), _listed(map(_spaced, one.sharpens))]
            for one in served]  # fmt: skip
    met = [[_spaced(need), ", or ".join(" + ".join(_sorted(names)) for names in alternatives)]
           for need, alternatives in ways.items()]  # fmt: skip
    exams = [[one.label, one.burden, _listed(_sorted(one.gives))] for one in examinations().values()]
    return (
        "Each need is met by any one of its alternatives, all of it read at one visit.\n\n"
        f"{_table(['name', 'twin or question', 'needs', 'sharpened by'], rows)}\n\n"
        f"{_table(['need', 'met by'], met)}\n\n"
        f"{_table(['examination', 'burden', 'gives'], exams)}"
    )


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _sorted(names: Iterable[str]) -> list[str]:
    """Names in the order in which people expect them."""
    order = [*observables(), *_data("codes", "observables.yaml")["covariates"]]
    return [_code(name) for name in sorted(names, key=order.index)]


def _columns() -> str:
    rows = [[role, ROLES[role], _listed(map(_code, words))] for role, words in HEADERS.items()]
    shown = [
        [_code(written), _code(wide_form(written))] for written in ("sbp_mmhg", "co_l_min", "Heart Rate", "weight")
    ]
    return (
        "The long form has one value a row.\n\n"
        f"{_table(['column', 'holds', 'headers that are read as it'], rows)}\n\n"
        "The wide form has one patient a row (or one visit, with a `time` column), and each column names an observable "
        "or covariate with its unit in brackets, as `sbp [mmHg]` or `height (cm)`; `sex` and `birth_date` need none. A "
        "header without brackets is not guessed at: what to write instead is said.\n\n"
        f"{_table(['header', 'to be written as, with the unit that its values are in'], shown)}\n\n"
        "Other headers need a mapping (`<stem>_mapping.yaml` beside the table, or `mapping=`), which `hemotwin map` "
        "proposes.\n\n"
        "`ht.read` takes the same two forms from memory: a pandas DataFrame, a list of rows as dicts, or a dict of "
        f'columns, all named "{IN_MEMORY}" in what is said of them. Rows are counted from 0, as `iloc` does; None, '
        "NaN, NaT and pandas.NA are empty cells; of the index of a DataFrame only levels named as a column are read."
    )


def _units() -> str:
    rows = [[_code(unit), _listed(words)] for unit, words in spellings().items()]
    text = (
        "Any UCUM product or quotient of metre, gram, second, litre, newton, pascal, bar, mercury and water column, "
        f"joule, watt, hertz, per cent and Wood unit is read. Usual ones: {_listed(map(_code, known_units()))}."
    )
    return f"{text}\n\n{_table(['UCUM', 'also written'], rows)}"


def _waveforms() -> str:
    data = settings()
    parts = ("systolic", "diastolic", "mean", "rate")
    channels = [[one["label"], _listed(_code(one[part]) for part in parts if part in one),
                 _listed(data["channels"][name])] for name, one in data["pressures"].items()]  # fmt: skip
    numerics = [[_code(name), _code(one["observable"]), modalities()[one["modality"]],
                 "a reading" if one.get("zero_is_missing") is False else "missing"]
                for name, one in data["numerics"].items()]  # fmt: skip
    return (
        "Blanks, hyphens, underscores and case do not matter in a channel's name.\n\n"
        f"{_table(['pressure channel', 'gives', 'names'], channels)}\n\n"
        f"{_table(['numeric channel', 'observable', 'taken by', 'zero is'], numerics)}"
    )


def _omop() -> str:
    data = _data("codes", "omop.yaml")
    concepts = [[concept, code, _meant(str(code))] for concept, code in data["concepts"].items()]
    units = [[concept, _code(unit)] for concept, unit in data["units"].items()]
    text = "Used where an OMOP CDM 5.4 export comes without its vocabulary tables; with them, those decide."
    return f"{text}\n\n{_table(['concept', 'LOINC', 'name'], concepts)}\n\n{_table(['unit concept', 'UCUM'], units)}"


def _meant(code: str) -> str:
    found = find_code(("loinc", code))
    return "pressure panel" if found is None else _code(found.name)


def _governance() -> str:
    words = _data("policies", "purposes.yaml")["purposes"]
    rows = [[_code(name), label, *(_listed(words[name].get(key, ())) for key in ("hl7", "duo", "words"))]
            for name, label in purposes().items()]  # fmt: skip
    files = sorted(path.stem for path in config_path("policies").glob("*.yaml") if path.stem != "purposes")
    policies = [[_code(one.name), one.purpose, one.ingest_consent, one.export_consent, one.pseudonyms, one.k,
                 _listed(one.formats)] for one in map(load_policy, files)]  # fmt: skip
    columns = ["policy", "purpose", "consent to read", "consent to export", "pseudonyms", "k", "formats"]
    k = (
        "k is how many distinct people must share sex, age, body size, pattern of times and site, as far as they are "
        "shown. For `hemotwin deidentify` rows and visits are no people: the patients that the rule "
        "`likely_repeat_visit` links, FHIR Patients who share an identifier (system and value), and those that a link "
        "of a Patient or a Person says are one individual, are one person, and a patient whom no source names (a file "
        "without a patient column, a contained FHIR Patient without identifier, a recording without code) adds nobody "
        "to a group; a group of such patients alone is one person. `hemotwin export` counts each "
        "twin, of which a patient has one, as a person, and says that it cannot tell two patients who are one."
    )
    return f"{_table(['purpose', 'label', 'HL7', 'DUO', 'words'], rows)}\n\n{_table(columns, policies)}\n\n{k}"


if __name__ == "__main__":
    main()
