"""What the host has on file: what it tells last wins, and what it corrects is asked about."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.insurance.domain import decide
from services.insurance.domain.patient import Patient
from services.insurance.domain.payers import Directory, Payer
from services.insurance.domain.settling_work import SettleWork
from services.insurance.handlers import INSURANCE
from shared.events.insurance import CoverageChanges, WorkRaised, WorkSettled
from tests.unit.insurance.story import (
    ANA,
    NOW,
    PATIENT,
    PROXY,
    SECOND,
    STAFF,
    Hospital,
    add,
    answer,
    booked,
    cancelled,
    change,
    decision,
    hospital,
    message,
    on_file,
    on_its_own,
    outcome,
    registered,
    remove,
    session_ended,
    set_priority,
)


def test_what_the_host_has_wrong_keeps_no_patient_from_changing_something_else() -> None:
    days = {"effective_from": date(2026, 2, 1), "effective_to": date(2026, 1, 1)}
    unborn = ANA.model_copy(update={"birth_date": date(2030, 1, 1)})
    world = hospital(
        on_file(member_id="-", subscriber=unborn, **days), on_file(coverage_id="COV-I", member_id="-")
    )
    for changes in (CoverageChanges(plan_name="Silver"), CoverageChanges(payer_name="Lakeside Care")):
        told = world.hear(change(f"CHG-{changes.plan_name}", "COV-H", base_version=None, changes=changes))
        assert outcome(told) == ("done", None)


def test_what_the_host_tells_later_wins_in_any_order_and_grows_the_version() -> None:
    told = [
        message(registered(), at=hospital().now),
        message(on_file(), at=hospital().now + timedelta(minutes=1)),
        message(on_file(member_id="ACTIVE-new"), at=hospital().now + timedelta(minutes=2)),
        message(on_file(member_id="ACTIVE-new", priority=2), at=hospital().now + timedelta(minutes=3)),
    ]
    for order in permutations(told):
        world = Hospital()
        for one in (*order, told[0]):
            world.hear(one)
        (coverage,) = world.patient.live()
        assert (coverage.content.member_id, coverage.priority) == ("ACTIVE-new", 2)
        assert world.patient.registered is not None

    straight = Hospital()
    for one in told:
        straight.hear(one)
    assert straight.coverage("COV-H").version == 2


def test_of_what_the_host_tells_within_one_second_the_last_wins() -> None:
    world = hospital(on_file(), booked(NOW + timedelta(days=5)))
    again = [registered(last_name="Diaz", proxies=()), on_file(member_id="ACTIVE-new", priority=2), cancelled()]
    world.hear(*(message(one, at=NOW) for one in again))

    assert world.patient.registered is not None
    assert (world.patient.registered.last_name, world.patient.registered.proxies) == ("Diaz", ())
    assert (world.coverage("COV-H").content.member_id, world.coverage("COV-H").priority) == ("ACTIVE-new", 2)
    assert world.patient.appointments["A-1"].cancelled
    assert outcome(world.hear(add(), actor=f"proxy:{PROXY}")) == ("refused", "not_found")


@pytest.mark.parametrize(
    "changes", [{"member_id": "ACTIVE-own"}, {"plan_name": "Silver"}, {"payer_id": "SANDBOX01"}]
)
def test_what_was_changed_since_the_host_told_of_it_stays_when_it_tells_the_same_again(
    changes: dict[str, str],
) -> None:
    world = hospital(on_file())
    world.hear(change(coverage_id="COV-H", changes=CoverageChanges.model_validate(changes)))
    world.hear(decision(), actor=STAFF)
    world.settle(timedelta(minutes=1))
    before, told = world.coverage("COV-H"), len(world.told)
    assert (before.version, before.status) == (2, "active")

    world.settle(timedelta(hours=9))
    world.hear(on_file(group_number=None))

    assert before.on_file is not None
    said = before.on_file.model_copy(update={"told_at": world.now})
    assert world.coverage("COV-H") == replace(before, told_at=world.now, on_file=said)
    assert len(world.told) == told


def test_the_order_that_staff_have_set_stays_when_the_host_tells_the_same_again() -> None:
    both = on_file(), on_file(coverage_id="COV-I", member_id="ACTIVE-I", priority=2)
    world = hospital(*both)
    world.hear(set_priority("COV-I", "COV-H"), actor=STAFF)
    for one in both:
        world.hear(one)
    assert [(one.coverage_id, one.priority) for one in world.patient.live()] == [("COV-I", 1), ("COV-H", 2)]
    assert world.said(WorkRaised) == []


def test_the_payer_that_staff_have_chosen_stays_whatever_the_host_calls_the_one_that_nobody_knows() -> None:
    world = hospital(on_file(payer_id="NOPE", payer_name="Nope"))
    (work,) = world.said(WorkRaised)
    chosen = SettleWork(work_id=work.work_id, patient_id=PATIENT, action="choose-payer", payer_id="SANDBOX01")
    world.hear(chosen, actor=STAFF)
    world.settle()
    before = world.coverage("COV-H")

    for name in ("Nope", "Nope Inc."):
        world.hear(on_file(payer_id="NOPE", payer_name=name))
        assert world.coverage("COV-H").content == before.content
        assert on_its_own(world.coverage("COV-H")) == ("ACTIVE-H", 2, "active")
    world.hear(on_file(payer_id="SANDBOX02", payer_name="Nope Inc."))
    content = world.coverage("COV-H").content
    assert (content.payer_id, content.payer_name) == ("SANDBOX02", "Nope Inc.")


def test_of_what_the_host_tells_anew_only_what_it_changed_is_taken_over() -> None:
    world = hospital(on_file())
    world.hear(change(coverage_id="COV-H", changes=CoverageChanges(member_id="ACTIVE-own", plan_name="Silver")))
    world.hear(decision(), actor=STAFF)
    world.settle()

    world.hear(on_file(group_number="G-1"))
    content = world.coverage("COV-H").content
    assert (content.member_id, content.plan_name, content.group_number) == ("ACTIVE-own", "Silver", "G-1")
    assert on_its_own(world.coverage("COV-H")) == ("ACTIVE-own", 3, "active")

    world.hear(on_file(group_number="G-1", member_id="ACTIVE-own"))
    assert on_its_own(world.coverage("COV-H")) == ("ACTIVE-own", 3, "active")
    world.hear(on_file(group_number="G-1", member_id="ACTIVE-other", priority=3))
    assert on_its_own(world.coverage("COV-H")) == ("ACTIVE-other", 4, "pending")
    assert (world.coverage("COV-H").content.plan_name, world.coverage("COV-H").priority) == ("Silver", 3)


def test_a_coverage_that_was_kept_without_what_the_host_said_is_compared_as_it_stands_once() -> None:
    world = hospital(on_file())
    kept = replace(world.coverage("COV-H"), on_file=None)
    content = kept.content.model_copy(update={"member_id": "ACTIVE-own"})
    patient = world.patient.with_coverage(replace(kept, content=content, version=2))

    first = INSURANCE.decide(patient, message(on_file()), NOW).state
    assert isinstance(first, Patient)
    assert on_its_own(first.coverages["COV-H"]) == ("ACTIVE-H", 3, "pending")
    again = INSURANCE.decide(first, message(on_file()), NOW).state
    assert again == first


def test_who_is_the_subscriber_is_asked_about_before_the_host_has_told_of_the_patient() -> None:
    world = Hospital()
    world.hear(on_file())
    world.settle(timedelta(days=32))
    assert (world.coverage("COV-H").status, len(world.asked)) == ("active", 1)


def test_of_two_things_told_of_a_patient_the_later_one_counts_in_either_order() -> None:
    told = [message(registered(last_name=name), at=NOW + number * SECOND) for number, name in enumerate("AB")]
    for order in (told, told[::-1]):
        world = Hospital()
        for one in order:
            world.hear(one)
        assert world.patient.registered is not None
        assert world.patient.registered.last_name == "B"


def test_what_the_host_changes_to_a_payer_that_nobody_knows_while_another_is_asked_is_work() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "unanswered", reason="timeout"))
    world.settle()
    world.hear(on_file(coverage_id="COV-1", payer_id="NOPE", payer_name="Nope"))

    coverage = world.coverage()
    assert (coverage.status, coverage.reason) == ("needs-staff", "unknown_payer")
    assert [one.kind for one in world.patient.work.values() if one.is_open] == ["unknown-payer"]
    asked = len(world.asked)
    world.settle(timedelta(days=40))
    assert len(world.asked) == asked


def test_what_the_host_corrects_after_a_verification_failed_leaves_no_work() -> None:
    world = hospital(on_file(), payer=lambda task: answer(task, "rejected", codes=("79",)))
    world.settle(timedelta(days=32))
    (raised,) = world.said(WorkRaised)
    world.hear(on_file(member_id="ACTIVE-new"))
    assert [(one.work_id, one.action) for one in world.said(WorkSettled)] == [(raised.work_id, "corrected")]


def test_what_the_host_changes_while_the_payer_is_asked_is_asked_anew() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "unanswered", reason="timeout"))
    world.settle()
    world.payer = answer
    world.hear(on_file(coverage_id="COV-1", payer_id="SANDBOX01", member_id="ACTIVE-new"))
    world.settle(timedelta(minutes=2))

    assert [one.inquiry.member_id for one in world.asked] == ["ACTIVE-COV-1", "ACTIVE-new"]
    assert on_its_own(world.coverage()) == ("ACTIVE-new", 2, "active")


@pytest.mark.parametrize(
    "told",
    [
        {"payer_id": "SANDBOX01", "payer_name": "Sandbox Health Plan"},
        {"member_id": "ACTIVE-new"},
        {"subscriber": ANA.model_copy(update={"first_name": "Eva"})},
        {"relationship": "spouse"},
    ],
)
def test_what_the_host_corrects_is_pending_without_the_old_answer_until_it_is_asked_about_that_night(
    told: dict[str, Any],
) -> None:
    world = hospital(on_file())
    world.settle(timedelta(days=32))
    assert (world.coverage("COV-H").status, len(world.asked)) == ("active", 1)

    world.hear(on_file(**told))
    coverage = world.coverage("COV-H")
    assert (coverage.status, coverage.version) == ("pending", 2)
    assert (coverage.answer_id, coverage.verified_at) == (None, None)
    world.hear(on_file(**told, plan_name="Silver"))
    world.settle(timedelta(hours=34))

    assert (world.coverage("COV-H").status, len(world.asked)) == ("active", 2)


@pytest.mark.parametrize(
    "told", [{"plan_name": "Silver"}, {"priority": 2}, {"payer_id": "SANDBOX90", "payer_name": "Old Harbor"}]
)
def test_what_the_host_tells_of_the_same_policy_leaves_the_answer(told: dict[str, Any]) -> None:
    world = hospital(on_file())
    world.settle(timedelta(days=32))
    before = world.coverage("COV-H")
    world.hear(on_file(**told))

    after = world.coverage("COV-H")
    assert (after.status, after.answer_id, after.check_at) == ("active", before.answer_id, before.check_at)
    world.payer = lambda task: answer(task, "unanswered", reason="timeout")
    world.settle(timedelta(days=34))
    asked = len(world.asked)
    world.hear(on_file(**told, group_number="G"))
    world.settle()
    assert (world.coverage("COV-H").status, len(world.asked)) == ("undetermined", asked)


def test_an_unknown_payer_that_the_host_corrects_is_asked_and_no_work_is_left() -> None:
    world = hospital(on_file(payer_id="NOPE", payer_name="Nope"))
    assert (world.coverage("COV-H").status, world.coverage("COV-H").reason) == ("needs-staff", "unknown_payer")

    world.hear(on_file(payer_id="NOPE", payer_name="Nope", member_id="ACTIVE-new"))
    assert [one.kind for one in world.patient.work.values()] == ["unknown-payer"]
    (raised,) = world.said(WorkRaised)
    world.hear(on_file(payer_id="SANDBOX01", payer_name="Sandbox Health Plan"))

    assert (world.coverage("COV-H").status, world.coverage("COV-H").reason) == ("pending", None)
    assert not [one for one in world.patient.work.values() if one.is_open]
    assert [(one.work_id, one.action) for one in world.said(WorkSettled)] == [(raised.work_id, "corrected")]
    world.settle(timedelta(hours=34))
    assert world.coverage("COV-H").status == "active"


def test_a_payer_that_has_come_to_the_directory_is_asked_when_the_host_tells_the_same_again() -> None:
    world = hospital(on_file(payer_id="NOPE", payer_name="Nope"))
    directory = Directory([Payer(payer_id="NOPE", name="Nope")])
    told = message(on_file(payer_id="NOPE", payer_name="Nope"))
    after = decide(world.patient, told, NOW, directory).state

    assert isinstance(after, Patient)
    coverage = after.coverages["COV-H"]
    assert (coverage.status, coverage.reason, coverage.version) == ("pending", None, 1)


def test_a_coverage_on_file_under_the_id_of_another_patients_coverage_is_work_once_and_holds_nothing_up() -> None:
    patient = replace(hospital().patient, ids_elsewhere=frozenset({"COV-H"}))
    decided = INSURANCE.decide(patient, message(on_file()), NOW)
    (raised,) = (event.data for event in decided.events)
    assert isinstance(raised, WorkRaised)
    assert (raised.about.patient_id, raised.about.coverage_id) == (PATIENT, "COV-H")
    assert isinstance(decided.state, Patient)
    assert not decided.state.coverages
    again = INSURANCE.decide(decided.state, message(on_file()), NOW)
    assert (again.state, again.events) == (decided.state, ())

    close = SettleWork(work_id=raised.work_id, patient_id=PATIENT, action="close")
    closed = INSURANCE.decide(decided.state, message(close, actor=STAFF), NOW)
    assert outcome(closed.events) == ("done", None)


def test_two_coverages_on_file_that_are_both_to_pay_first_are_work() -> None:
    world = hospital(on_file(), on_file(coverage_id="COV-I", member_id="ACTIVE-I"))
    (work,) = world.said(WorkRaised)
    assert work.about.coverage_id == "COV-I"
    world.hear(set_priority("COV-I", "COV-H"), actor=STAFF)
    assert not [one for one in world.patient.work.values() if one.is_open]
    world.hear(on_file(priority=2), on_file())
    assert len(world.said(WorkRaised)) == 2


def test_a_coverage_on_file_that_is_to_pay_first_beside_one_that_the_patient_added_is_work() -> None:
    world = hospital(add(), on_file())
    (work,) = world.said(WorkRaised)
    assert (work.about.coverage_id, work.summary) == ("COV-H", "Two coverages of a patient are both to pay first.")
    world.hear(on_file())
    assert len(world.said(WorkRaised)) == 1


def test_work_about_two_primaries_ends_when_the_host_or_a_removal_leaves_one() -> None:
    both = (on_file(), on_file(coverage_id="COV-I", member_id="ACTIVE-I"))
    right = on_file(coverage_id="COV-I", member_id="ACTIVE-I", priority=2)
    for cause, by in (
        (right, "corrected"),
        (right.model_copy(update={"plan_name": "Silver"}), "corrected"),
        (on_file(priority=2), "corrected"),
        (remove("COV-H"), "removed"),
        (remove("COV-I"), "removed"),
    ):
        world = hospital(*both)
        (raised,) = world.said(WorkRaised)
        world.hear(cause)
        assert [(one.work_id, one.action) for one in world.said(WorkSettled)] == [(raised.work_id, by)]


def test_work_about_two_primaries_stays_while_there_still_are_two() -> None:
    world = hospital(*(on_file(coverage_id=f"COV-{one}", member_id=f"ACTIVE-{one}") for one in "HIJ"))
    assert len(world.said(WorkRaised)) == 2
    world.hear(remove("COV-H"))
    assert len(world.said(WorkSettled)) == 0
    world.hear(remove("COV-J"))
    assert len(world.said(WorkSettled)) == 2


def test_what_a_process_of_the_release_before_heard_from_the_host_is_not_taken_for_unsaid() -> None:
    world = hospital(on_file(group_number="G-1"))
    known = world.coverage("COV-H")
    other = known.content.model_copy(update={"group_number": "G-2"})
    # It knew no `on_file`, and left what was there as it was.
    patient = world.patient.with_coverage(replace(known, content=other, told_at=NOW + timedelta(minutes=1)))

    at = NOW + timedelta(minutes=2)
    decided = INSURANCE.decide(patient, message(on_file(group_number="G-1"), at=at), at)

    assert isinstance(decided.state, Patient)
    assert decided.state.coverages["COV-H"].content.group_number == "G-1"
