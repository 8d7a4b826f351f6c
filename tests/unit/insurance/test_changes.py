"""Changes that patients ask for: what is refused, and what staff make of the rest."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.insurance.domain.settling_work import SettleWork
from shared.events.insurance import (
    ChangeDecided,
    CommandRefused,
    CoverageChanges,
    CoverageNotVerified,
    CoverageVerified,
    VerificationSubmitted,
    WorkRaised,
    WorkSettled,
)
from tests.unit.insurance.story import (
    ANA,
    STAFF,
    Hospital,
    active,
    add,
    answer,
    change,
    decision,
    hospital,
    message,
    on_its_own,
    outcome,
    session_ended,
)


def test_a_change_that_another_coverage_has_come_to_say_is_not_accepted() -> None:
    world = active()
    world.hear(change(changes=CoverageChanges(member_id="ACTIVE-COV-2")))
    world.hear(add("COV-2"))
    (work,) = world.said(WorkRaised)
    settle = SettleWork(work_id=work.work_id, patient_id="PT-1", action="accept")

    for command in (decision(), settle):
        told = world.hear(command, actor=STAFF)
        assert outcome(told) == ("refused", "duplicate_coverage")
        assert isinstance(told[0].data, CommandRefused)
        assert "COV-2" in told[0].data.detail
    assert on_its_own(world.coverage()) == ("ACTIVE-COV-1", 1, "active")
    assert outcome(world.hear(decision(word="decline"), actor=STAFF)) == ("done", None)


def test_changes_that_together_have_a_coverage_end_before_it_begins_are_not_both_accepted() -> None:
    world = active()
    world.hear(change(changes=CoverageChanges(effective_from=date(2027, 2, 1))))
    world.hear(change("CHG-2", changes=CoverageChanges(effective_to=date(2026, 12, 31))))
    assert outcome(world.hear(decision(), actor=STAFF)) == ("done", None)
    (work,) = (one for one in world.patient.work.values() if one.is_open)
    settle = SettleWork(work_id=work.work_id, patient_id="PT-1", action="accept")

    for command in (decision("CHG-2"), settle):
        told = world.hear(command, actor=STAFF)
        assert outcome(told) == ("refused", "invalid_data")
        assert isinstance(told[0].data, CommandRefused)
        assert told[0].data.detail == "effective_to: it is before effective_from."
    assert outcome(world.hear(decision("CHG-2", "decline"), actor=STAFF)) == ("done", None)


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


def test_what_is_asked_when_a_change_is_accepted_belongs_to_the_chain_of_who_asked_for_it() -> None:
    world = active()
    world.hear(message(change(), id="m-change"))
    told = world.hear(decision(), actor=STAFF)

    chains = {type(one.data): one.correlationid for one in told}
    assert chains == {ChangeDecided: None, VerificationSubmitted: "m-change", WorkSettled: None}


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


@pytest.mark.parametrize(("code", "status", "raised"), [("79", "needs-staff", 1), ("75", "needs-patient", 0)])
def test_a_change_accepted_though_the_payer_did_not_verify_it_is_work_where_staff_have_to_act(
    code: str, status: str, raised: int
) -> None:
    world = active()
    world.payer = lambda task: answer(task, "rejected", codes=(code,))
    world.hear(change(), session_ended("S-2"))
    world.settle()
    told = world.hear(decision(), actor=STAFF)

    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, status)
    assert [one.kind for one in world.patient.work.values() if one.is_open] == ["verification-failed"] * raised
    assert len([one for one in told if isinstance(one.data, WorkRaised)]) == raised


def test_a_change_that_names_a_known_payer_leaves_no_work_about_the_unknown_one() -> None:
    world = hospital(add(payer_id=None, payer_name="Aunt Emma's Fund"))
    world.payer = lambda task: answer(task, "rejected", codes=("75",))
    world.hear(change(changes=CoverageChanges(payer_name="Harbor Mutual")))
    world.hear(decision(), actor=STAFF)
    world.settle()

    assert on_its_own(world.coverage()) == ("ACTIVE-COV-1", 2, "needs-patient")
    assert not [one for one in world.patient.work.values() if one.is_open]


@pytest.mark.parametrize(
    ("changes", "rejected", "status"),
    [
        ({"payer_name": "Harbor Mutual"}, None, "verifying"),
        ({"payer_name": "Harbor Mutual", "member_id": "NOTFOUND"}, "75", "needs-patient"),
        ({"payer_name": "Aunt Emma's Fund"}, None, "needs-staff"),
        ({"subscriber": ANA.model_copy(update={"first_name": "Eva"})}, "79", "needs-staff"),
    ],
)
def test_what_the_payer_said_of_another_policy_does_not_stand_under_the_new_one(
    changes: dict[str, Any], rejected: str | None, status: str
) -> None:
    world = active()
    assert world.coverage().answer_id
    world.hear(change(changes=CoverageChanges(**changes)))
    if rejected:
        world.payer = lambda task: answer(task, "rejected", codes=(rejected,))
        world.hear(session_ended("S-2"))
        world.settle()
        assert world.coverage().answer_id, "what is on file stays until the change is accepted"
    world.hear(decision(), actor=STAFF)

    assert (world.coverage().status, world.coverage().version) == (status, 2)
    assert (world.coverage().answer_id, world.coverage().verified_at) == (None, None)


def test_what_the_payer_said_stays_where_a_change_leaves_the_policy_the_same() -> None:
    world = active()
    before = world.coverage()
    world.hear(change(changes=CoverageChanges(plan_name="Gold", payer_name="SHP")))
    world.hear(decision(), actor=STAFF)

    assert (world.coverage().status, world.coverage().version) == ("verifying", 2)
    assert (world.coverage().answer_id, world.coverage().verified_at) == (before.answer_id, before.verified_at)


def test_work_about_a_policy_that_is_not_verified_ends_with_a_change_to_another() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "rejected", codes=("79",)))
    world.settle()
    world.hear(change())
    world.hear(decision(), actor=STAFF)
    assert not [one for one in world.patient.work.values() if one.is_open]
    world.settle()

    (work,) = (one for one in world.patient.work.values() if one.is_open)
    assert (work.kind, work.verification_id) == ("verification-failed", world.coverage().verification_id)


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


def test_of_a_declined_change_the_payer_is_asked_no_more() -> None:
    world = active()
    world.payer = lambda task: answer(task, "unanswered", reason="timeout")
    world.hear(change(), session_ended("S-2"))
    world.settle()
    assert len(world.said(CoverageNotVerified)) == 1
    world.hear(decision(word="decline"), actor=STAFF)
    world.settle(timedelta(days=2))

    assert len(world.asked) == 2
    assert len(world.said(CoverageNotVerified)) == 1
    assert on_its_own(world.coverage()) == ("ACTIVE-COV-1", 1, "active")


def with_two_changes_unanswered() -> Hospital:
    """Return a hospital where a payer has not answered what it was asked about two changes at once."""
    world = active()
    world.payer = lambda task: answer(task, "unanswered", reason="timeout")
    plan = CoverageChanges(plan_name="Gold")
    world.hear(change(), change("CHG-2", changes=plan), session_ended("S-2"))
    world.settle()
    return world


def test_what_is_asked_about_two_changes_is_asked_until_both_are_decided() -> None:
    world = with_two_changes_unanswered()
    world.hear(decision("CHG-2", "decline"), actor=STAFF)
    world.payer = answer
    world.settle(timedelta(minutes=2))
    assert [one.change_id for one in world.said(CoverageVerified)] == [None, "CHG-1"]

    world.hear(decision("CHG-1"), actor=STAFF)
    assert on_its_own(world.coverage()) == ("ACTIVE-CHG-1", 2, "active")
    assert len(world.said(VerificationSubmitted)) == 2


def test_of_a_change_that_was_accepted_but_asked_about_with_a_declined_one_the_payer_is_asked_once() -> None:
    world = with_two_changes_unanswered()
    world.hear(decision("CHG-1", "decline"), actor=STAFF)
    world.hear(decision("CHG-2"), actor=STAFF)

    (open_one,) = (one for one in world.patient.verifications.values() if one.is_open)
    assert (open_one.change_id, open_one.inquiry.member_id) == (None, "ACTIVE-COV-1")


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
        (
            {"changes": CoverageChanges(effective_from=date(2026, 2, 1), effective_to=date(2026, 1, 31))},
            "invalid_data",
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


@pytest.mark.parametrize(
    ("changes", "payer"),
    [
        ({"payer_id": "SANDBOX02"}, ("SANDBOX02", "Harbor Mutual")),
        ({"payer_id": "SANDBOX90"}, ("SANDBOX90", "Harbor Mutual")),
        ({"payer_id": "SANDBOX02", "payer_name": "HMI"}, ("SANDBOX02", "HMI")),
        ({"payer_id": "SANDBOX02", "payer_name": "Harbor of the North"}, ("SANDBOX02", "Harbor of the North")),
        ({"payer_id": "SANDBOX02", "payer_name": "Lakeside Care"}, ("SANDBOX02", "Harbor Mutual")),
        ({"payer_id": "NOBODY"}, ("NOBODY", "NOBODY")),
        ({"payer_name": "Harbor Mutual"}, (None, "Harbor Mutual")),
        ({"payer_name": "Sandbox Health Plan", "plan_name": "Gold"}, ("SANDBOX01", "Sandbox Health Plan")),
    ],
)
def test_a_change_of_the_payer_leaves_nothing_of_the_former_one_and_none_leaves_all(
    changes: dict[str, Any], payer: tuple[str | None, str]
) -> None:
    world = active()
    world.hear(change(changes=CoverageChanges(**changes)))
    world.hear(decision(), actor=STAFF)
    content = world.coverage().content
    assert (content.payer_id, content.payer_name) == payer


def test_the_payers_number_that_is_on_file_already_is_no_change() -> None:
    world = hospital(add(payer_name="Sandbox of the North"))
    told = world.hear(change(changes=CoverageChanges(payer_id="SANDBOX01")))
    assert outcome(told) == ("refused", "nothing_to_change")


def test_the_longest_texts_that_a_change_may_hold_can_be_kept() -> None:
    world = active()
    world.hear(change(changes=CoverageChanges(plan_name="x" * 300, group_number="y" * 300)))
    world.hear(decision(), actor=STAFF)
    content = world.coverage().content
    assert type(content).model_validate_json(content.model_dump_json()) == content
