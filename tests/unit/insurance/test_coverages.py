"""Adding, changing, removing and ordering coverages: who may, what is refused, and what is told again."""

from datetime import date, timedelta
from itertools import permutations
from typing import Any

import pytest

from services.insurance.domain.patient import Coverage
from services.insurance.domain.settling import SettleWork
from shared.events.insurance import (
    ChangeDecided,
    CommandRefused,
    CoverageChanges,
    CoverageRemoved,
    CoverageVerified,
    VerificationSubmitted,
    WorkRaised,
    WorkSettled,
)
from tests.unit.insurance.story import (
    ANA,
    OTHER,
    PROXY,
    STAFF,
    Hospital,
    add,
    answer,
    change,
    decision,
    hospital,
    message,
    on_file,
    outcome,
    registered,
    remove,
    session_ended,
    set_priority,
)


def active(*coverage_ids: str) -> Hospital:
    """Return a hospital whose coverages were added in one session and verified."""
    world = hospital(*(add(one) for one in coverage_ids or ("COV-1",)), session_ended())
    world.settle()
    return world


@pytest.mark.parametrize("actor", [f"proxy:{PROXY}", STAFF])
def test_a_proxy_and_staff_may_add_for_a_patient(actor: str) -> None:
    assert outcome(hospital().hear(add(), actor=actor)) == ("done", None)


@pytest.mark.parametrize("actor", [f"patient:{OTHER}", f"proxy:{OTHER}", "guest", "service:inbox"])
@pytest.mark.parametrize("command", [add("COV-2"), change(), remove()], ids=lambda one: one.TYPE)
def test_for_nobody_else_there_is_such_a_patient(actor: str, command: Any) -> None:
    assert outcome(active().hear(command, actor=actor)) == ("refused", "not_found")


def test_of_a_patient_nobody_has_heard_of_nothing_is_found() -> None:
    assert outcome(Hospital().hear(add())) == ("refused", "not_found")
    assert outcome(Hospital().hear(remove())) == ("refused", "not_found")


def test_the_same_id_again_is_done_again_and_with_other_content_refused() -> None:
    world = hospital(add())
    first, again = world.told[-1], world.hear(add(session_id="S-7"))

    assert again == [first]
    assert outcome(world.hear(add(member_id="ACTIVE-other"))) == ("refused", "idempotency_conflict")


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"member_id": "active cov 1"},
        {"payer_id": None, "payer_name": "sandbox HEALTH plan"},
        {"payer_id": None, "payer_name": "SHP"},
    ],
)
def test_the_same_payer_and_member_again_is_refused_and_names_the_one_on_file(other: dict[str, Any]) -> None:
    world = hospital(add("COV-1"))

    told = world.hear(add("COV-2", **{"member_id": "ACTIVE-COV-1"} | other))

    assert outcome(told) == ("refused", "duplicate_coverage")
    assert isinstance(told[0].data, CommandRefused)
    assert "COV-1" in told[0].data.detail


def test_a_removed_coverage_may_be_added_again_under_a_new_id() -> None:
    world = hospital(add(), remove())
    assert outcome(world.hear(add("COV-2", member_id="ACTIVE-COV-1"))) == ("done", None)


def test_a_birth_date_to_come_is_refused() -> None:
    unborn = ANA.model_copy(update={"birth_date": date(2030, 1, 1)})
    assert outcome(hospital().hear(add(subscriber=unborn))) == ("refused", "birth_date_in_future")


def test_an_unknown_payer_is_accepted_and_staff_choose_who_it_is() -> None:
    world = hospital()
    told = world.hear(add(payer_id=None, payer_name="Aunt Emma's Fund"), session_ended())
    world.settle(timedelta(hours=1))
    assert outcome(told) == ("done", None)
    assert (world.coverage().status, world.coverage().reason) == ("needs-staff", "unknown_payer")
    (work,) = world.said(WorkRaised)
    assert work.about.coverage_id == "COV-1"

    chosen: dict[str, Any] = {"work_id": work.work_id, "patient_id": work.about.patient_id}
    wrong = SettleWork(**chosen, action="choose-payer", payer_id="NOBODY")
    assert outcome(world.hear(wrong, actor=STAFF)) == ("refused", "unknown_payer")
    assert outcome(world.hear(SettleWork(**chosen, action="accept"), actor=STAFF))[1] == "action_not_offered"
    right = SettleWork(**chosen, action="choose-payer", payer_id="SANDBOX90")
    assert outcome(world.hear(right, actor=STAFF)) == ("done", None)
    world.settle()

    assert (world.coverage().status, world.coverage().version) == ("active", 2)
    assert world.asked[0].inquiry.payer_id == "SANDBOX02"
    assert outcome(world.hear(right, actor=STAFF)) == ("done", None)
    assert outcome(world.hear(SettleWork(**chosen, action="close"), actor=STAFF)) == ("refused", "work_settled")


def test_staff_override_a_failed_verification_with_a_note() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "rejected", codes=("79",)))
    world.settle()
    (work,) = world.said(WorkRaised)
    asked: dict[str, Any] = {"work_id": work.work_id, "patient_id": "PT-1", "action": "override"}

    assert outcome(world.hear(SettleWork(**asked, status="active"), actor=STAFF)) == ("refused", "invalid_data")
    told = world.hear(SettleWork(**asked, status="active", note="Called."), actor=STAFF)

    assert outcome(told) == ("done", None)
    assert [one.action for one in world.said(WorkSettled)] == ["override"]
    assert world.coverage().status == "active"


def test_removing_is_soft_happens_once_and_drops_what_was_asked_of_it() -> None:
    world = active()
    world.hear(change())
    first, again = world.hear(remove()), world.hear(remove())

    assert outcome(first) == outcome(again) == ("done", None)
    assert len(world.said(CoverageRemoved)) == 2
    assert world.coverage().status == "removed"
    assert world.patient.changes["CHG-1"].status == "dropped"
    assert not [one for one in world.patient.work.values() if one.is_open]
    assert outcome(world.hear(change("CHG-2"))) == ("refused", "not_found")
    assert outcome(world.hear(decision(), actor=STAFF)) == ("refused", "not_found")
    assert outcome(world.hear(remove("COV-0"))) == ("refused", "not_found")


def on_its_own(coverage: Coverage) -> tuple[str, int, str]:
    return coverage.content.member_id, coverage.version, coverage.status


def test_a_change_is_verified_as_it_would_be_and_leaves_what_is_on_file_until_staff_accept_it() -> None:
    world = active()
    assert outcome(world.hear(change(), session_ended("S-2"))) == ("done", None)
    world.settle()

    assert on_its_own(world.coverage()) == ("ACTIVE-COV-1", 1, "active")
    assert world.asked[1].inquiry.member_id == "ACTIVE-CHG-1"
    verified = world.said(CoverageVerified)[1]
    assert verified.change_id == "CHG-1"

    assert outcome(world.hear(decision(), actor=STAFF)) == ("done", None)
    world.settle()
    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, "active")
    assert world.coverage().answer_id == verified.verification_id
    assert len(world.asked) == 2


def test_a_change_that_is_accepted_before_its_session_ends_is_submitted_once_at_once() -> None:
    world = active()
    world.hear(change())
    world.hear(decision(), actor=STAFF)
    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, "verifying")
    world.hear(session_ended("S-2"))
    world.settle(timedelta(hours=1))

    assert [one.session_id for one in world.said(VerificationSubmitted)] == ["S-1", "S-2"]
    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, "active")


def test_a_change_accepted_while_the_payer_is_asked_takes_the_answer_over() -> None:
    world = active()
    world.payer = lambda task: answer(task, "unanswered", reason="timeout")
    world.hear(change(), session_ended("S-2"))
    world.settle()
    world.hear(decision(), actor=STAFF)
    assert world.coverage().status == "undetermined"
    world.payer = answer
    world.settle(timedelta(minutes=5))

    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, "active")
    assert len(world.said(VerificationSubmitted)) == 2


def test_a_declined_change_leaves_everything_and_its_answer_too() -> None:
    world = active()
    world.hear(change())
    assert outcome(world.hear(decision(word="decline", note="No."), actor=STAFF)) == ("done", None)
    world.hear(session_ended("S-2"))
    world.settle()

    assert on_its_own(world.coverage()) == ("ACTIVE-COV-1", 1, "active")
    assert len(world.asked) == 1
    assert outcome(world.hear(decision(word="decline"), actor=STAFF)) == ("done", None)
    assert outcome(world.hear(decision(), actor=STAFF)) == ("refused", "change_decided")
    assert {one.version for one in world.said(ChangeDecided)} == {1}


def test_two_changes_of_one_session_are_asked_about_together() -> None:
    world = active()
    plan = CoverageChanges(plan_name="Gold", group_number="")
    world.hear(change(), change("CHG-2", changes=plan), session_ended("S-2"))
    world.settle()
    assert len(world.asked) == 2
    world.hear(decision("CHG-1"), actor=STAFF)
    world.hear(decision("CHG-2"), actor=STAFF)
    world.settle()

    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 3, "active")
    assert world.coverage().content.plan_name == "Gold"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"base_version": 0}, "stale_version"),
        ({"base_version": 2}, "stale_version"),
        ({"changes": CoverageChanges()}, "nothing_to_change"),
        ({"changes": CoverageChanges(plan_name="Silver")}, "nothing_to_change"),
        ({"changes": CoverageChanges(member_id="ACTIVE-COV-2")}, "duplicate_coverage"),
        (
            {"changes": CoverageChanges(subscriber=ANA.model_copy(update={"birth_date": date(2030, 1, 1)}))},
            "birth_date_in_future",
        ),
        ({"coverage_id": "COV-0"}, "not_found"),
    ],
)
def test_a_change_that_cannot_be_is_refused(more: dict[str, Any], reason: str) -> None:
    world = active("COV-1", "COV-2")
    assert outcome(world.hear(change(**more))) == ("refused", reason)


def test_a_change_seen_on_an_older_version_is_stale_and_one_without_a_version_is_taken() -> None:
    world = active()
    world.hear(change())
    world.hear(decision(), actor=STAFF)
    other = CoverageChanges(plan_name="Gold")

    assert outcome(world.hear(change("CHG-2", changes=other))) == ("refused", "stale_version")
    assert outcome(world.hear(change("CHG-3", changes=other, base_version=None))) == ("done", None)


def test_a_change_again_is_done_again_and_with_other_content_refused() -> None:
    world = active()
    first, again = world.hear(change()), world.hear(change(session_id="S-9"))
    assert again == [one for one in first if one.outcome]
    other = change(changes=CoverageChanges(plan_name="Gold"))
    assert outcome(world.hear(other)) == ("refused", "idempotency_conflict")


def test_only_staff_decide_and_order() -> None:
    world = active()
    world.hear(change())
    assert outcome(world.hear(decision())) == ("refused", "not_allowed")
    assert outcome(world.hear(set_priority("COV-1"))) == ("refused", "not_allowed")
    assert outcome(world.hear(decision("CHG-0"), actor=STAFF)) == ("refused", "not_found")


def test_staff_say_in_which_order_coverages_pay() -> None:
    world = active("COV-1", "COV-2")
    assert [one.coverage_id for one in world.patient.live()] == ["COV-1", "COV-2"]

    assert outcome(world.hear(set_priority("COV-2", "COV-1"), actor=STAFF)) == ("done", None)

    assert [one.coverage_id for one in world.patient.live()] == ["COV-2", "COV-1"]
    for wrong in (("COV-1",), ("COV-1", "COV-1"), ("COV-1", "COV-2", "COV-3")):
        assert outcome(world.hear(set_priority(*wrong), actor=STAFF)) == ("refused", "priority_mismatch")


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


def test_what_the_host_changes_while_the_payer_is_asked_is_asked_anew() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "unanswered", reason="timeout"))
    world.settle()
    world.payer = answer
    world.hear(on_file(coverage_id="COV-1", payer_id="SANDBOX01", member_id="ACTIVE-new"))
    world.settle(timedelta(minutes=2))

    assert [one.inquiry.member_id for one in world.asked] == ["ACTIVE-COV-1", "ACTIVE-new"]
    assert on_its_own(world.coverage()) == ("ACTIVE-new", 2, "active")


def test_the_longest_texts_that_a_change_may_hold_can_be_kept() -> None:
    world = active()
    world.hear(change(changes=CoverageChanges(plan_name="x" * 300, group_number="y" * 300)))
    world.hear(decision(), actor=STAFF)
    content = world.coverage().content
    assert type(content).model_validate_json(content.model_dump_json()) == content


def test_two_coverages_on_file_that_are_both_to_pay_first_are_work() -> None:
    world = hospital(on_file(), on_file(coverage_id="COV-I", member_id="ACTIVE-I"))
    (work,) = world.said(WorkRaised)
    assert work.about.coverage_id == "COV-I"
    world.hear(set_priority("COV-I", "COV-H"), actor=STAFF)
    assert not [one for one in world.patient.work.values() if one.is_open]
