"""Where a pressure was taken, by the bodySite of an Observation: a code that leaves the site open is no arm's there."""

import pytest

from hemotwin.core.configs import config_path, load_yaml
from hemotwin.records.body_sites import body_sites, site_codings
from hemotwin.records.codes import codings_of, panel_target, target

from .build import UCUM, component, concept, observation, only, read_bundle, values
from .test_codes import verhoeff_holds

SNOMED = "http://snomed.info/sct"
SYSTOLIC, DIASTOLIC, MEAN, ARM = "8480-6", "8462-4", "8478-0", "85354-9"
PARTS = ((SYSTOLIC, 45), (DIASTOLIC, 16), (MEAN, 30))
WORDS = ("systolic", "diastolic", "mean")
PULMONARY = ("pa_pressure_systolic", "pa_pressure_diastolic", "pa_pressure_mean")
CENTRAL = ("central_sbp", "central_dbp", "central_map")
PULMONARY_ARTERY, RIGHT_ATRIUM, RIGHT_VENTRICLE, ASCENDING_AORTA = "81040000", "73829009", "53085002", "54247002"


def snomed(code, **more):
    return {"coding": [{"system": SNOMED, "code": code}], **more}


def text(words):
    return {"text": words}


def named(records):
    return {name: value for (name, _), value in values(records).items()}


def alone(code, site, value=45):
    return observation(concept(code), value, bodySite=site)


@pytest.mark.parametrize(
    ("site", "names"),
    [
        *((snomed(code), PULMONARY) for code in (PULMONARY_ARTERY, "45341000", "50408007", "78480002")),
        ({"coding": [{"code": PULMONARY_ARTERY}]}, PULMONARY),  # no system beside a code that is known
        ({"coding": [{"system": "urn:local", "code": "7", "display": "Main pulmonary artery"}]}, PULMONARY),
        (snomed(PULMONARY_ARTERY, text="Pulmonary artery structure (body structure)"), PULMONARY),
        (text("tip in the right Pulmonary-Artery"), PULMONARY),
        (text("PA"), PULMONARY),
        (text("Pulmonalarterie"), PULMONARY),
        ([snomed(PULMONARY_ARTERY)], PULMONARY),
        ("pulmonary artery", PULMONARY),
        (snomed(ASCENDING_AORTA), CENTRAL),
        (snomed("8128003"), CENTRAL),
        (text("Aortic root"), CENTRAL),
    ],
)
def test_generic_codes_at_a_place_with_a_reading_are_that_reading(tmp_path, site, names):
    """Of their own, as components of the arm's panel, and as components of a group that is not known."""
    expected = dict(zip(names, (45, 16, 30), strict=True))
    assert named(read_bundle(tmp_path, *(alone(code, site, value) for code, value in PARTS))) == expected
    components = [component(code, value=value) for code, value in PARTS]
    for group in (ARM, "99999-9"):
        whole = observation(concept(group), component=components, bodySite=site)
        assert named(read_bundle(tmp_path, whole)) == expected


@pytest.mark.parametrize(
    ("site", "code", "label", "fix"),
    [
        (snomed(RIGHT_ATRIUM), MEAN, "right atrium", "8400-4 (mean right atrial pressure)"),
        (snomed(RIGHT_VENTRICLE), SYSTOLIC, "right ventricle", "8432-7 (right ventricular systolic pressure)"),
        (snomed("87878005"), DIASTOLIC, "left ventricle", "8375-8 (left ventricular diastolic pressure"),
        (snomed("82471001"), MEAN, "left atrium", "8399-8 (left atrial mean pressure)"),
        (text("Right atrial structure"), MEAN, "right atrium", "8400-4"),
        (text("RV"), SYSTOLIC, "right ventricle", "8432-7"),
        (text("pulmonary artery wedge"), MEAN, "pulmonary wedge position", "75994-4 (pulmonary capillary wedge"),
    ],
)
def test_generic_code_in_a_chamber_is_set_aside_with_the_code_to_give(tmp_path, site, code, label, fix):
    row = only(read_bundle(tmp_path, alone(code, site)))
    assert row.fate == "quarantined" and row.field.startswith(code) and row.origin == "b.json entry 1"
    assert f"its code {code} is that of a" in row.reason
    assert f"its bodySite is the {label}: give the code of that pressure, {fix}" in row.reason
    whole = observation(concept(ARM), component=[component(code, value=45)], bodySite=site)
    assert only(read_bundle(tmp_path, whole)).reason == row.reason


@pytest.mark.parametrize(
    "site",
    [
        snomed("368209003"), snomed("7569003"), snomed("51114001"), text("left wrist"), text("LA"), text("RA"),
        text("femoral artery"), text("Right upper arm structure"), text("Oberarm links"), text("arterial line"),
    ],
)  # fmt: skip
def test_arm_and_leg_are_the_arm_of_whatever_group(tmp_path, site):
    assert named(read_bundle(tmp_path, alone(SYSTOLIC, site, 120))) == {"sbp": 120}
    for group in (ARM, "99999-9"):
        whole = observation(concept(group), component=[component(SYSTOLIC, value=120)], bodySite=site)
        assert named(read_bundle(tmp_path, whole)) == {"sbp": 120}


@pytest.mark.parametrize(
    "site",
    [
        text(""), {}, None, "", [], [{}], text("unknown"), {"coding": []}, {"extension": [{"valueCode": "unknown"}]},
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK"}]},
    ],
)  # fmt: skip
def test_place_that_is_not_said_leaves_the_arm(tmp_path, site):
    assert named(read_bundle(tmp_path, alone(SYSTOLIC, site, 120))) == {"sbp": 120}


@pytest.mark.parametrize(
    ("site", "said"),
    [
        (snomed("57034009"), "is the aorta beyond its root"),
        (snomed("12123001"), "is the vein other than a vena cava"),
        (text("Portal vein of Zwickel"), "is the vein other than a vena cava"),
        (text("carotid artery"), "is the artery of neither arm nor leg"),
        (snomed("69536005"), "(SNOMED CT 69536005) is not among the known places"),
        (snomed("69536005", text="bed 7 of Zwickel"), "(SNOMED CT 69536005) is not among the known places"),
        (snomed("Zwickel"), "in other words or codes"),
        (text("hepatic artery"), "in other words or codes"),
        (text("papilla of Zwickel"), "in other words or codes"),
        ({"coding": [{"system": "urn:local", "code": "77", "display": "bed of Zwickel"}]}, "in other words or codes"),
        ({"coding": [{"system": SNOMED, "code": 81040000}]}, "(SNOMED CT 81040000)"),
        ({"coding": [{"code": 81040000}]}, "in other words or codes"),
        ({"coding": "x"}, "in other words or codes"),
        ([[], 3], "in other words or codes"),
        (5, "in other words or codes"),
    ],
)
def test_pressure_from_any_other_place_is_set_aside_and_never_the_arm(tmp_path, site, said):
    """Of its own, by a name, as a component of the arm's panel and as a member of a group with the place."""
    member = observation(concept(ARM), id="g", bodySite=site, hasMember=[{"reference": "Observation/m"}])
    named_only = observation(text("Systolic blood pressure"), 45, bodySite=site)
    for given in (
        [alone(SYSTOLIC, site)],
        [named_only],
        [observation(concept(ARM), component=[component(SYSTOLIC, value=45)], bodySite=site)],
        [member, observation(concept(SYSTOLIC), 45, id="m")],
    ):
        records = read_bundle(tmp_path, *given)
        row = records.rows[-1]
        assert row.fate == "quarantined" and said in row.reason and not named(records), row
        assert "Zwickel" not in "".join(one.message for one in records.rows)


def test_panel_that_says_its_place_keeps_it_beside_an_arm_or_an_unknown_place(tmp_path):
    for site in (text("right arm"), snomed("69536005"), text("bed 7")):
        whole = observation(concept("76284-9"), component=[component(SYSTOLIC, value=45)], bodySite=site)
        assert named(read_bundle(tmp_path, whole)) == {PULMONARY[0]: 45}


@pytest.mark.parametrize("site", [snomed("48345005"), snomed("64131007"), snomed("35532006"), text("SVC"), text("IVC"),
                                  text("Vena cava superior"), text("tip in the inferior vena cava")])  # fmt: skip
def test_mean_pressure_of_a_vena_cava_is_the_central_venous_pressure(tmp_path, site):
    assert named(read_bundle(tmp_path, alone(MEAN, site, 8))) == {"ra_pressure_mean": 8}
    whole = observation(concept(ARM), component=[component(MEAN, value=8)], bodySite=site)
    assert named(read_bundle(tmp_path, whole)) == {"ra_pressure_mean": 8}
    for code, fix in ((SYSTOLIC, "60998-2 (right atrial pressure maximum)"), (DIASTOLIC, "60997-4 (right atrial")):
        row = only(read_bundle(tmp_path, alone(code, site, 10)))
        assert row.fate == "quarantined" and f"bodySite is the vena cava: give the code of that pressure, {fix}" in (
            row.reason
        )
    inside = observation(concept(ARM), component=[component("60985-9", value=8)], bodySite=site)
    assert named(read_bundle(tmp_path, inside)) == {"ra_pressure_mean": 8}


@pytest.mark.parametrize(
    ("site", "label", "fix"),
    [
        (
            snomed("21814001"),
            "ventricle, left or right not said",
            "8430-1 (left ventricular systolic pressure) or 8432-7",
        ),
        (text("Cardiac ventricular structure"), "ventricle, left or right not said", "8430-1"),
        (text("Ventrikel"), "ventricle, left or right not said", "8430-1"),
        (snomed("59652004"), "atrium, left or right not said", "60989-1 (left atrial systolic pressure) or 60998-2"),
        (snomed("80891009"), "heart, the chamber not said", "8430-1"),
        (text("Heart"), "heart, the chamber not said", "8430-1"),
        (text("heart chamber"), "heart, the chamber not said", "8430-1"),
    ],
)
def test_chamber_that_does_not_say_which_is_set_aside_with_the_codes_to_choose_from(tmp_path, site, label, fix):
    whole = observation(concept(ARM), component=[component(SYSTOLIC, value=45)], bodySite=site)
    for given in (alone(SYSTOLIC, site), whole):
        row = only(read_bundle(tmp_path, given))
        assert row.fate == "quarantined" and f"its bodySite is the {label}: give the code of that pressure, {fix}" in (
            row.reason
        )


def test_chamber_that_does_not_say_which_gives_way_to_one_that_does_and_to_its_panel(tmp_path):
    row = only(read_bundle(tmp_path, alone(SYSTOLIC, snomed("21814001", text="right ventricle of the heart"))))
    assert "its bodySite is the right ventricle: give the code" in row.reason
    atrial, pulmonary = (
        observation(concept(group), component=[component(SYSTOLIC, value=25)], bodySite=snomed("59652004"))
        for group in ("60996-6", "76284-9")
    )
    assert named(read_bundle(tmp_path, atrial)) == {"ra_pressure_max": 25}
    assert "but the group is pulmonary artery pressure" in only(read_bundle(tmp_path, pulmonary)).reason


@pytest.mark.parametrize(
    ("code", "unit", "site", "name"),
    [
        ("75994-4", "mm[Hg]", PULMONARY_ARTERY, "pcwp_mean"),
        ("60985-9", "mm[Hg]", PULMONARY_ARTERY, "ra_pressure_mean"),
        ("8400-4", "mm[Hg]", RIGHT_ATRIUM, "ra_pressure_mean"),
        ("8867-4", "/min", PULMONARY_ARTERY, "heart_rate"),
        ("10230-1", "%", "87878005", "lvef"),
    ],
)
def test_code_that_says_its_own_site_keeps_it(tmp_path, code, unit, site, name):
    whole = observation(concept(code), 45, unit, bodySite=snomed(site))
    assert list(named(read_bundle(tmp_path, whole))) == [name]


def test_average_codes_of_the_arm_and_a_name_without_a_code_follow_the_place_too(tmp_path):
    assert list(named(read_bundle(tmp_path, alone("96608-5", snomed(PULMONARY_ARTERY))))) == [PULMONARY[0]]
    words = observation(text("Systolic blood pressure"), 45, bodySite=snomed(PULMONARY_ARTERY))
    assert list(named(read_bundle(tmp_path, words))) == [PULMONARY[0]]


@pytest.mark.parametrize(
    ("group", "site", "reason"),
    [
        ("60996-6", snomed(PULMONARY_ARTERY), "its bodySite is the pulmonary artery, but the group is right atrial"),
        (ARM, snomed(PULMONARY_ARTERY, text="right ventricle"), "names the right ventricle and the pulmonary artery"),
    ],
)
def test_places_that_contradict_each_other_or_the_panel_are_set_aside(tmp_path, group, site, reason):
    whole = observation(concept(group), component=[component(SYSTOLIC, value=45)], bodySite=site)
    row = only(read_bundle(tmp_path, whole))
    assert row.fate == "quarantined" and reason in row.reason


@pytest.mark.parametrize(
    ("group", "site", "name"),
    [("76284-9", PULMONARY_ARTERY, PULMONARY[0]), ("60996-6", RIGHT_ATRIUM, "ra_pressure_max")],
)
def test_place_that_agrees_with_the_panel_changes_nothing(tmp_path, group, site, name):
    whole = observation(concept(group), component=[component(SYSTOLIC, value=25)], bodySite=snomed(site))
    assert list(named(read_bundle(tmp_path, whole))) == [name]


def test_site_s_own_code_inside_the_arm_s_panel_is_no_conflict_at_its_place(tmp_path):
    for site, fate in ((PULMONARY_ARTERY, "used"), (RIGHT_VENTRICLE, "quarantined")):
        whole = observation(concept(ARM), component=[component("8440-0", value=45)], bodySite=snomed(site))
        assert only(read_bundle(tmp_path, whole)).fate == fate


def test_member_takes_the_place_of_its_panel_unless_it_gives_its_own(tmp_path):
    group = observation(
        concept(ARM), id="g", bodySite=snomed(PULMONARY_ARTERY),
        hasMember=[{"reference": "Observation/m"}, {"reference": "Observation/n"}],
    )  # fmt: skip
    here = observation(concept(SYSTOLIC), 45, id="m")
    elsewhere = observation(concept(SYSTOLIC), 120, id="n", bodySite=text("left arm"))
    assert named(read_bundle(tmp_path, here, elsewhere, group)) == {PULMONARY[0]: 45, "sbp": 120}


@pytest.mark.parametrize("listed", [True, False])
def test_contained_entry_takes_the_place_of_the_one_that_contains_it(tmp_path, listed):
    inner = {"resourceType": "Observation", "id": "s", "status": "final", "code": concept(SYSTOLIC)}
    inner["valueQuantity"] = {"value": 45, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"}
    members = [{"reference": "#s"}] if listed else []
    inner |= {} if listed else {"subject": {"reference": "Patient/A"}}  # else it would be nobody's
    whole = observation(concept(ARM), contained=[inner], bodySite=snomed(PULMONARY_ARTERY), hasMember=members)
    assert named(read_bundle(tmp_path, whole)) == {PULMONARY[0]: 45}


def test_words_of_a_place_are_in_no_row(tmp_path):
    for words in ("right ventricle of Zwickel", "arm of Zwickel"):
        assert "Zwickel" not in str(list(read_bundle(tmp_path, alone(SYSTOLIC, text(words), 120)).rows))


def test_table_of_places_is_sound():
    entries = load_yaml(config_path("codes", "body_sites.yaml"))["sites"]
    codes = [str(code) for entry in entries.values() for code in entry.get("snomed", ())]
    words = [word for entry in entries.values() for key in ("words", "abbreviations") for word in entry.get(key, ())]
    assert len(codes) == len(set(codes)) and all(map(verhoeff_holds, codes))
    assert len(words) == len(set(words)) and all(word == word.lower() and "-" not in word for word in words)
    assert all(site_codings(text(word)) == [("site", name)] for name, entry in entries.items()
               for key in ("words", "abbreviations") for word in entry.get(key, ()))  # fmt: skip
    for site in body_sites().values():
        meant = [panel_target(panel, part) for panel in site.panels for part in WORDS]
        meant += [target(site.instead)] if site.instead else []
        assert set(site.read) <= set(WORDS) and set(site.one_of) <= set(body_sites()) - {site.name}
        assert all(panel_target(site.panel or "", part).role == "observable" for part in site.read), site.name
        assert site.panel in ("arterial_pressure", "central_pressure") or all(codings_of(one.name) for one in meant)
