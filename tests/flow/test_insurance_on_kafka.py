"""Insurance from the topic to the payer and back, on real Kafka and PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.infrastructure import Endpoints
from shared.events.envelope import write
from shared.events.insurance import CoverageChanges
from shared.events.topics import HOST_REGISTRATION, INSURANCE_COMMANDS, PORTAL_SESSIONS
from tests.flow.insurance_world import Insurance, running
from tests.flow.kit import eventually
from tests.unit.insurance.story import add, change, message, on_file, remove, session_ended


@pytest.fixture(scope="module", name="insurance")
async def running_insurance(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Insurance]:
    async with running(infrastructure, tmp_path_factory.mktemp("sandbox")) as insurance:
        yield insurance


async def test_a_coverage_is_added_and_verified_when_the_session_ends(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    cov, session = f"{patient}-COV", f"{patient}-S"

    told = add(cov, session, patient_id=patient, member_id=f"ACTIVE-{patient}", plan_name=None)
    command = await insurance.command(told, f"patient:{person}")
    added = await insurance.outcome(command)
    assert (added["type"], added["outcome"], added["data"]["version"]) == (
        "insurance.coverage-added.v1",
        "done",
        1,
    )
    _, (pending,) = await insurance.get("/v1/coverages", person=person)
    assert (pending["status"], pending["waits_for_session_end"]) == ("pending", True)
    assert pending["plan_name"] is None
    await insurance.ended(session_ended(session, person))

    verified = await insurance.said(cov, "coverage-verified")
    assert verified["status"] == "active"
    (submitted,) = insurance.all_said(cov, "verification-submitted")
    assert (submitted["session_id"], submitted["verification_id"]) == (session, verified["verification_id"])
    chain = {event["type"] for event in insurance.heard if event.get("correlationid") == command.id}
    assert chain >= {f"insurance.{kind}.v1" for kind in ("verification-submitted", "coverage-verified")}
    (asked,) = await insurance.asked(f"ACTIVE-{patient}".upper())
    assert asked["trace"] == verified["verification_id"]
    _, (active,) = await insurance.get(f"/v1/coverages?patient_id={patient}", person=person)
    assert (active["status"], active["version"]) == ("active", 1)
    assert active["plan_name"] == "SILVER PPO"
    assert active["benefits"] == [
        {"amount_minor": None, "currency": None, "percent": None} | one for one in verified["benefits"]
    ]
    assert patient not in str(active["member_id_masked"])


async def added(insurance: Insurance, *members: str) -> tuple[str, str, list[str]]:
    """Return a patient, their person, and coverages that were added in a session which has ended."""
    patient, person = await insurance.patient()
    coverages = [f"{patient}-COV-{number}" for number in range(len(members))]
    for coverage, member in zip(coverages, members, strict=True):
        command = add(coverage, f"{patient}-S", patient_id=patient, member_id=f"{member}-{coverage}")
        await insurance.command(command, f"patient:{person}")
    await insurance.ended(session_ended(f"{patient}-S", person))
    return patient, person, coverages


async def test_the_end_of_a_session_and_its_coverages_meet_whichever_comes_first(insurance: Insurance) -> None:
    patients = [await insurance.patient() for _ in range(40)]

    async def play(number: int, patient: str, person: str) -> None:
        session = f"{patient}-S"
        told = [
            insurance.command(
                add(f"{patient}-COV", session, patient_id=patient, member_id=f"ACTIVE-{patient}"),
                f"patient:{person}",
            ),
            insurance.ended(session_ended(session, person)),
            insurance.ended(session_ended(session, person)),
        ]
        await asyncio.gather(*(told if number % 2 else reversed(told)))

    await asyncio.gather(*(play(number, *patient) for number, patient in enumerate(patients)))

    for patient, _ in patients:
        await insurance.said(f"{patient}-COV", "coverage-verified")
        assert len(insurance.all_said(f"{patient}-COV", "verification-submitted")) == 1
        assert len(await insurance.asked(f"ACTIVE-{patient}")) == 1


async def test_a_coverage_of_a_session_that_never_ends_is_submitted_after_a_while(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    command = add(f"{patient}-COV", f"{patient}-S", patient_id=patient, member_id=f"ACTIVE-{patient}")
    await insurance.outcome(await insurance.command(command, f"proxy:{person}"))
    assert insurance.all_said(f"{patient}-COV", "verification-submitted") == []

    await insurance.advance(timedelta(minutes=31))

    assert (await insurance.said(f"{patient}-COV", "coverage-verified"))["status"] == "active"


async def test_each_kind_of_answer_ends_in_its_own_state(insurance: Insurance) -> None:
    members = ("INACTIVE", "NOTFOUND", "BADDOB", "PAYERDOWN", "TIMEOUT", "GARBLED")
    _, person, coverages = await added(insurance, *members)
    inactive, notfound, baddob, down, timeout, garbled = coverages

    assert (await insurance.said(inactive, "coverage-verified"))["status"] == "inactive"
    told = {one: await insurance.said(one, "coverage-not-verified") for one in coverages[1:]}
    assert [(told[one]["status"], told[one]["reason"]) for one in (notfound, baddob)] == [
        ("needs-patient", "member_not_found"),
        ("needs-patient", "birth_date_wrong"),
    ]
    for one, reason in ((down, "payer_down"), (timeout, "timeout")):
        assert (told[one]["status"], told[one]["reason"]) == ("undetermined", reason)
        assert told[one]["retry_at"]
    assert told[garbled]["status"] == "undetermined"

    await insurance.advance(timedelta(seconds=100))
    assert (await insurance.said(down, "coverage-verified"))["status"] == "active"

    _, shown = await insurance.get("/v1/coverages", person=person)
    states = {one["coverage_id"]: (one["status"], one["reason"]) for one in shown}
    assert states[down] == ("active", None)
    assert states[notfound] == ("needs-patient", "member_not_found")
    assert len(insurance.all_said(timeout, "coverage-not-verified")) == 1


async def test_a_coverage_on_file_for_two_patients_is_work_that_names_both(insurance: Insurance) -> None:
    mine, _ = await insurance.patient(first_name="Mia")
    theirs, _ = await insurance.patient(first_name="Leo")
    cov = f"{mine}-COV"
    await insurance.tell(HOST_REGISTRATION.name, on_file(coverage_id=cov, patient_id=mine))
    known = "select exists (select from coverage where coverage_id = $1)"
    await eventually(lambda: insurance.pool.fetchval(known, cov), f"{cov} is known")
    await insurance.tell(HOST_REGISTRATION.name, on_file(coverage_id=cov, patient_id=theirs))

    async def raised() -> list[str]:
        _, work = await insurance.get("/v1/work", role="insurance")
        return [one["work_id"] for one in work if one["about"] == {"patient_id": theirs, "coverage_id": cov}]

    (work_id,) = await eventually(raised, "the work")
    _, details = await insurance.get(f"/v1/work/{work_id}", role="insurance")
    told = {one["label"]: one["value"].split()[0] for one in details["details"]}
    assert told == {"Patient": "Leo", "Coverage of": "Mia"}
    status, closed = await insurance.call("POST", f"/v1/work/{work_id}/close", {}, role="insurance")
    assert (status, closed["status"]) == (200, "settled")


async def test_a_change_waits_for_staff_who_see_what_was_sent_and_received(insurance: Insurance) -> None:
    patient, person, (cov,) = await added(insurance, "ACTIVE")
    await insurance.said(cov, "coverage-verified")
    asked = change(f"{patient}-CHG", cov, f"{patient}-S2", patient_id=patient)
    command = await insurance.command(asked, f"patient:{person}")
    assert (await insurance.outcome(command))["type"] == "insurance.change-requested.v1"
    await insurance.ended(session_ended(f"{patient}-S2", person))
    verified = await insurance.said(cov, "coverage-verified", times=2)
    assert verified["change_id"] == f"{patient}-CHG"

    _, work = await insurance.get("/v1/work", role="insurance")
    (item,) = (one for one in work if one["about"].get("change_id") == f"{patient}-CHG")
    assert [one["name"] for one in item["actions"]] == ["accept", "decline"]
    path = f"/v1/work/{item['work_id']}"
    status, details = await insurance.get(path, role="insurance")
    assert status == 200
    assert {"label": "What the payer says of the change", "value": "active"} in details["details"]
    status, settled = await insurance.call("POST", f"{path}/accept", {"note": "Fine."}, role="insurance")
    assert (status, settled["status"], settled["actions"]) == (200, "settled", [])
    assert (await insurance.call("POST", f"{path}/accept", {"note": "Fine."}, role="insurance"))[0] == 200
    status, problem = await insurance.call("POST", f"{path}/accept", {"note": "Well."}, role="insurance")
    assert (status, problem["reason"]) == (409, "idempotency_conflict")
    status, problem = await insurance.call("POST", f"{path}/decline", {}, role="supervisor")
    assert (status, problem["reason"]) == (409, "work_settled")

    decided = await insurance.said(cov, "change-decided")
    assert (decided["decision"], decided["version"]) == ("accept", 2)
    _, shown = await insurance.get(f"/v1/coverages/{cov}", person=person)
    assert (shown["version"], shown["status"], shown["pending_change"]) == (2, "active", None)
    assert [one["what"] for one in shown["history"]][:2] == ["change-accepted", "verification-submitted"]
    assert (shown["member_id"], shown["verifications"], shown["history"][0]["actor"]) == (None, None, None)
    _, to_staff = await insurance.get(f"/v1/coverages/{cov}", role="supervisor")
    assert [one["actor"] for one in to_staff["history"]][:2] == ["staff:ines", "service:insurance"]
    status, proof = await insurance.get(f"/v1/verifications/{verified['verification_id']}", role="insurance")
    assert status == 200
    (exchange,) = proof["exchanges"]
    assert "*270*" in exchange["request"]
    assert "EB*1*" in exchange["answer"]
    raw = await insurance.pool.fetchval("select request from payer_exchange limit 1")
    assert b"ISA" not in raw
    stale = change(f"{patient}-CHG2", cov, f"{patient}-S3", patient_id=patient)
    refused = await insurance.outcome(await insurance.command(stale, f"patient:{person}"))
    assert refused["data"]["reason"] == "stale_version"


async def test_a_member_id_is_whole_for_staff_and_masked_for_a_gateway_wherever_it_stands(
    insurance: Insurance,
) -> None:
    patient, person, (cov,) = await added(insurance, "ACTIVE")
    asked = change(f"{patient}-CHG", cov, patient_id=patient, changes=CoverageChanges(member_id=f"NEW-{patient}"))
    await insurance.outcome(await insurance.command(asked, f"patient:{person}"))
    for path in (
        f"/v1/coverages?patient_id={patient}",
        f"/v1/coverages/{cov}",
        f"/fhir/Coverage?patient={patient}",
        f"/fhir/Coverage/{cov}",
    ):
        _, shown = await insurance.get(path, person=person)
        _, whole = await insurance.get(path, role="insurance")
        assert f"ACTIVE-{cov}" not in json.dumps(shown)
        assert f"ACTIVE-{cov}" in json.dumps(whole)
        assert f"NEW-{patient}" not in json.dumps(shown)
        assert (f"NEW-{patient}" in json.dumps(whole)) == path.startswith("/v1")


async def test_what_fhir_lists_it_also_reads_by_its_id(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    _, stranger = await insurance.patient()

    async def refused(path: str, person: str) -> str:
        status, problem = await insurance.get(path, person=person)
        assert status == 404
        return str(problem["detail"])

    for cov in (f"{patient}_COV", f"{patient}-COV-2"):
        told = add(cov, f"{patient}-S", patient_id=patient, member_id=f"ACTIVE-{cov}")
        await insurance.command(told, f"patient:{person}")
    await insurance.ended(session_ended(f"{patient}-S", person))
    for cov in (f"{patient}_COV", f"{patient}-COV-2"):
        await insurance.said(cov, "coverage-verified")

    for kind in ("Coverage", "CoverageEligibilityResponse"):
        _, listed = await insurance.get(f"/fhir/{kind}?patient={patient}", person=person)
        assert listed["total"] == 2
        for entry in listed["entry"]:
            path = f"/fhir/{kind}/{entry['resource']['id']}"
            assert await insurance.get(path, person=person) == (200, entry["resource"])
            assert await refused(path, stranger) == await refused(f"/fhir/{kind}/{patient}", person)
            assert (await insurance.get(path, role="insurance"))[0] == 200
        assert (await insurance.get(f"/fhir/{kind}?patient=%00", role="insurance"))[0] == 422


async def test_what_is_not_ones_own_is_not_found(insurance: Insurance) -> None:
    patient, _, (cov,) = await added(insurance, "ACTIVE")
    await insurance.said(cov, "coverage-verified")
    other, stranger = await insurance.patient()

    for path in (f"/v1/coverages/{cov}", f"/v1/coverages?patient_id={patient}"):
        assert (await insurance.get(path, person=stranger))[0] == 404
        assert (await insurance.get(path, role="insurance"))[0] == 200
        assert (await insurance.get(path, role="billing"))[0] == 403
    assert await insurance.get("/v1/coverages", person=stranger) == (200, [])
    assert (await insurance.get(f"/fhir/Coverage/{cov}", person=stranger))[0] == 404
    _, bundle = await insurance.get(f"/fhir/Coverage?patient=Patient/{patient}", role="insurance")
    assert [one["resource"]["id"] for one in bundle["entry"]] == [cov]
    _, bundle = await insurance.get(f"/fhir/CoverageEligibilityResponse?patient={patient}", role="insurance")
    assert bundle["total"] == 1
    _, patients = await insurance.get("/v1/patients", person=stranger)
    assert [(one["patient_id"], one["relationship"]) for one in patients] == [(other, "self")]
    assert (await insurance.get("/v1/work", person=stranger))[0] == 403
    assert (await insurance.get("/v1/coverages", role="insurance"))[0] == 422
    assert (await insurance.get("/v1/work/none", role="insurance"))[0] == 404
    assert (await insurance.get("/v1/verifications/none", role="insurance"))[0] == 404
    for command in (remove(cov, patient_id=patient), add(f"{cov}-x", patient_id=patient)):
        refused = await insurance.outcome(await insurance.command(command, f"patient:{stranger}"))
        assert (refused["outcome"], refused["data"]["reason"]) == ("refused", "not_found")


async def test_the_order_that_the_rules_suggest_is_shown_and_not_set(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    for name, relationship in (("SPOUSE", "spouse"), ("OWN", "self"), ("GONE", "self")):
        told = add(
            f"{patient}-{name}", patient_id=patient, member_id=f"{name}-{patient}", relationship=relationship
        )
        await insurance.outcome(await insurance.command(told, f"patient:{person}"))
    gone = remove(f"{patient}-GONE", patient_id=patient)
    await insurance.outcome(await insurance.command(gone, f"patient:{person}"))

    _, shown = await insurance.get("/v1/coverages", person=person)
    assert [
        (one["coverage_id"], one["priority"], one["suggested_priority"], one["suggested_because"]) for one in shown
    ] == [
        (f"{patient}-SPOUSE", 1, 2, "as_dependent"),
        (f"{patient}-OWN", 2, 1, "own_plan"),
        (f"{patient}-GONE", 3, None, None),
    ]


async def test_payers_are_found_by_any_of_their_names(insurance: Insurance) -> None:
    _, harbors = await insurance.get("/v1/payers?q=harbor", role="insurance")
    assert [(one["payer_id"], one["status"], one.get("replaced_by")) for one in harbors] == [
        ("SANDBOX02", "active", None),
        ("SANDBOX90", "retired", "SANDBOX02"),
    ]
    _, found = await insurance.get("/v1/payers?q=shp")
    assert [one["name"] for one in found] == ["Sandbox Health Plan"]


async def test_a_removed_coverage_stays_removed_whatever_the_payer_says(insurance: Insurance) -> None:
    assert await insurance.world.post("/clearinghouse/behaviour", {"latency_s": 0.5}) == (
        200,
        {"latency_s": 0.5, "latency_max_s": None},
    )
    patient, person, (cov,) = await added(insurance, "ACTIVE")
    await insurance.said(cov, "verification-submitted")
    await insurance.outcome(await insurance.command(remove(cov, patient_id=patient), f"patient:{person}"))
    await insurance.world.post("/clearinghouse/behaviour", {})

    answered = (
        "select exists (select from payer_exchange join verification using (verification_id)"
        " where coverage_id = $1)"
    )
    await eventually(lambda: insurance.pool.fetchval(answered, cov), "the payer answered")
    _, shown = await insurance.get(f"/v1/coverages/{cov}", person=person)
    assert (shown["status"], shown["benefits"]) == ("removed", [])
    assert insurance.all_said(cov, "coverage-verified") == []


async def test_what_cannot_be_read_stops_nobody(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    good = message(add(f"{patient}-COV", patient_id=patient), actor=f"patient:{person}", source=patient)
    bad = json.loads(write(good))
    bad["id"] = f"{patient}-bad"
    bad["data"]["relationship"] = "cousin"
    hostile = [b"", b"\xff\x00", b"[]", b'{"type":"insurance.add-coverage.v1"}', json.dumps(bad).encode()]

    await insurance.publish(INSURANCE_COMMANDS.name, patient, *hostile, write(good))
    await insurance.publish(PORTAL_SESSIONS.name, person, *hostile)

    assert (await insurance.outcome(good))["outcome"] == "done"
    refused = next(one for one in insurance.heard if one.get("causationid") == f"{patient}-bad")
    assert refused["data"]["reason"] == "invalid_data"
    assert "relationship" in refused["data"]["detail"]
    await insurance.ended(session_ended("S-1", person))
    await insurance.said(f"{patient}-COV", "coverage-verified")


async def test_which_of_the_staff_looked_at_coverages_is_noted(insurance: Insurance) -> None:
    patient, person, (cov,) = await added(insurance, "ACTIVE")
    verified = await insurance.said(cov, "coverage-verified")
    looked_at = {
        f"/v1/coverages?patient_id={patient}": ("coverages", patient),
        f"/v1/coverages/{cov}": ("coverage", cov),
        f"/fhir/Coverage/{cov}": ("coverage", cov),
        f"/v1/verifications/{verified['verification_id']}": ("verification", verified["verification_id"]),
    }

    assert (await insurance.get(f"/v1/coverages/{cov}", person=person))[0] == 200
    for path in looked_at:
        assert (await insurance.get(path, role="insurance"))[0] == 200

    noted = await insurance.pool.fetch(
        "select reader, what, what_id from read_log where patient_id = $1 order by id", patient
    )
    assert [tuple(row) for row in noted] == [("staff:ines", *what) for what in looked_at.values()]
