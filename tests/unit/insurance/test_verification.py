"""From the question to the payer's answer: what each answer makes of a coverage, and who has to act."""

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from services.insurance.domain.asking import POSTPONED_BY, AskPayer, PayerAnswered, Sealed
from services.insurance.domain.rejection import REASONS
from shared.events.insurance import (
    CoverageChanges,
    CoverageNotVerified,
    CoverageVerified,
    VerificationSubmitted,
    WorkRaised,
)
from tests.unit.insurance.story import (
    ANA,
    PERSON,
    STAFF,
    Hospital,
    add,
    answer,
    asked,
    booked,
    change,
    hospital,
    message,
    on_file,
    outcome,
    payer,
    registered,
    remove,
    session_ended,
    verify_again,
)

DAY = timedelta(days=1)


def test_a_payer_that_answers_makes_the_coverage_active_or_inactive() -> None:
    active, inactive = asked("active"), asked("inactive")

    assert active.coverage().status == "active"
    assert active.coverage().verified_at == active.now
    assert active.said(CoverageVerified)[0].benefits
    assert (inactive.coverage().status, inactive.coverage().version) == ("inactive", 1)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, "needs-patient") for code in ("58", "71", "72", "73", "75", "76", "64", "67", "78")),
        *((code, "needs-staff") for code in ("04", "41", "43", "51", "79", "T4", "62", "63", "XY")),
        *((code, "undetermined") for code in ("42", "80")),
    ],
)
def test_a_reject_code_says_who_has_to_act(code: str, status: str) -> None:
    world = asked((code,))

    (told,) = world.said(CoverageNotVerified)
    assert (told.status, told.codes) == (status, (code,))
    assert told.reason == REASONS.get(code, "rejected")
    assert world.coverage().status == status
    assert (told.retry_at is not None) == (status == "undetermined")
    assert len(world.said(WorkRaised)) == (status == "needs-staff")


def test_that_the_payer_is_down_counts_before_all_else_it_says() -> None:
    assert asked(("75", "42")).coverage().status == "undetermined"


def test_no_answer_is_asked_again_for_a_day_and_told_when_that_begins_and_when_it_ends() -> None:
    world = asked("unanswered")
    (first,) = world.said(CoverageNotVerified)
    assert (first.status, first.reason, first.retry_at) == (
        "undetermined",
        "timeout",
        world.now + timedelta(seconds=90),
    )

    world.settle(2 * DAY)

    _, last = world.said(CoverageNotVerified)
    assert (last.status, last.retry_at) == ("undetermined", None)
    assert len(world.said(WorkRaised)) == 1
    assert 5 < len(world.asked) < 12
    assert [one.attempt for one in world.asked] == list(range(1, len(world.asked) + 1))
    assert len({one.verification_id for one in world.asked}) == 1


def test_what_is_asked_again_on_another_day_is_asked_as_of_that_day() -> None:
    world = asked("unanswered")
    world.settle(2 * DAY)
    days = [one.inquiry.service_date.day for one in world.asked]
    assert days == sorted(days)
    assert set(days) == {2, 3}


def test_what_is_asked_again_before_an_appointment_is_asked_as_of_its_day() -> None:
    world = asked("active", "unanswered")
    starts_at = world.now + 20 * DAY
    world.hear(booked(starts_at), actor="host:scheduling")
    world.settle(19 * DAY)

    assert len(world.asked) > 5
    assert {one.inquiry.service_date for one in world.asked[1:]} == {starts_at.date()}


def test_the_answer_that_comes_at_last_ends_the_retrying() -> None:
    world = asked("unanswered", ("42",), "active")
    world.settle(timedelta(minutes=10))

    assert world.coverage().status == "active"
    assert (world.coverage().reason, world.coverage().retry_at) == (None, None)
    assert len(world.said(CoverageNotVerified)) == 1
    world.settle(2 * DAY)
    assert len(world.asked) == 3


def test_no_payer_is_asked_again_before_90_seconds() -> None:
    world = asked("unanswered")
    world.settle(timedelta(seconds=89))
    assert len(world.asked) == 1
    world.settle(timedelta(seconds=1))
    assert len(world.asked) == 2


def test_a_question_that_was_held_back_is_asked_a_little_later() -> None:
    world = asked("postponed", "active")
    world.settle(POSTPONED_BY - timedelta(seconds=1))
    assert len(world.asked) == 1
    world.settle(timedelta(seconds=1))
    assert (len(world.asked), world.coverage().status) == (2, "active")


def test_a_question_that_was_held_back_costs_no_attempt() -> None:
    world = asked(*["postponed"] * 4, "active")
    world.settle(timedelta(minutes=3))

    assert {one.attempt for one in world.asked} == {1}
    assert world.said(CoverageNotVerified) == []
    assert world.coverage().status == "active"


def test_a_question_held_back_for_long_is_told_and_in_the_end_a_persons() -> None:
    world = asked("postponed")
    world.settle(timedelta(minutes=6))
    assert world.coverage().status == "undetermined"
    world.settle(2 * DAY)

    assert [one.retry_at is None for one in world.said(CoverageNotVerified)] == [False, True]
    assert len(world.said(WorkRaised)) == 1


@pytest.mark.parametrize(("said", "reason"), [("mismatched", "answer_mismatched"), ("unclear", "no_status")])
def test_an_answer_about_somebody_else_or_that_says_neither_is_for_staff_at_once(said: str, reason: str) -> None:
    world = asked(said)
    world.settle(2 * DAY)
    assert (len(world.asked), world.coverage().status) == (1, "needs-staff")
    assert [one.reason for one in world.said(CoverageNotVerified)] == [reason]
    assert (len(world.said(CoverageVerified)), len(world.said(WorkRaised))) == (0, 1)


def test_a_dependent_is_asked_about_once_more_as_a_subscriber_and_then_is_a_persons() -> None:
    world = Hospital(payer=payer(("67",), ("77",)))
    world.hear(registered(first_name="Leo", birth_date=date(2015, 1, 1)))
    world.hear(add(relationship="child"), session_ended())
    world.settle(timedelta(minutes=5))

    first, second = (one.inquiry for one in world.asked)
    assert (first.subscriber, first.person.first_name) == (ANA, "Leo")
    assert (second.subscriber, second.dependent) == (first.dependent, None)
    assert world.coverage().status == "needs-staff"


@pytest.mark.parametrize(
    ("on_file", "changed", "said", "status"),
    [
        ("child", "self", (("71",),), "needs-patient"),
        ("self", "child", (("71",),), "needs-patient"),
        ("self", "child", (("67",), ("75",)), "needs-staff"),
    ],
)
def test_an_answer_about_a_changed_relationship_is_judged_by_the_changed_one(
    on_file: str, changed: str, said: tuple[tuple[str, ...], ...], status: str
) -> None:
    world = hospital(add(relationship=on_file, subscriber=ANA.model_copy(update={"first_name": "Eva"})))
    world.payer = payer(*said)
    changes = CoverageChanges.model_validate({"relationship": changed})
    world.hear(change(changes=changes), session_ended("S-2"))
    world.settle(timedelta(minutes=2))

    told = world.said(CoverageNotVerified)[-1]
    assert (told.change_id, told.status) == ("CHG-1", status)


def test_what_is_heard_twice_or_late_changes_nothing() -> None:
    world = asked("unanswered", "active")
    late = message(answer(world.asked[0], "inactive"), actor="service:insurance")
    world.hear(late)
    assert world.coverage().status == "undetermined"
    world.settle(timedelta(minutes=2))
    told = len(world.told)

    world.hear(message(answer(world.asked[1], "inactive"), actor="service:insurance"))

    assert world.coverage().status == "active"
    assert len(world.told) == told


def test_an_answer_in_flight_does_not_revive_what_was_removed() -> None:
    world = hospital(add(), session_ended())
    world.payer = lambda task: (world.hear(remove()), answer(task))[1]
    world.settle()

    assert world.coverage().status == "removed"
    assert world.said(CoverageVerified) == []


def test_what_was_sent_and_received_is_kept_even_when_it_is_late() -> None:
    sealed = Sealed(content=b"x", sha256=b"y")
    world = hospital(add(), session_ended())
    world.payer = lambda task: answer(task, request=sealed, answer=sealed)
    world.settle()
    assert [one.request for one in world.patient.exchanges] == [b"x"]


def test_staff_have_the_payer_asked_again_but_not_at_once() -> None:
    world = asked("inactive")
    assert outcome(world.hear(verify_again(), actor=STAFF)) == ("done", None)
    again = world.said(VerificationSubmitted)[-1]
    world.hear(verify_again(), actor=STAFF)
    assert world.said(VerificationSubmitted)[-1] == again
    world.settle()

    assert len(world.asked) == 2
    assert outcome(world.hear(verify_again(), actor=f"patient:{PERSON}")) == ("refused", "not_allowed")
    assert outcome(world.hear(verify_again("COV-0"), actor=STAFF)) == ("refused", "not_found")


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_staff_have_no_payer_asked_before_90_seconds_that_has_not_answered(attempts: int) -> None:
    world = hospital(add(), session_ended())
    sent_at: list[datetime] = []

    def silent(task: AskPayer) -> PayerAnswered:
        sent_at.append(world.now)
        world.now += timedelta(seconds=15)
        return answer(task, "unanswered", reason="timeout")

    world.payer = silent
    while len(sent_at) < attempts:
        world.settle(timedelta(minutes=1))
    for _ in range(10):
        assert outcome(world.hear(verify_again(), actor=STAFF)) == ("done", None)
        world.settle(timedelta(seconds=20))

    assert len(sent_at) > attempts
    waits = [later - sooner for sooner, later in pairwise(sent_at)]
    assert min(waits) >= timedelta(seconds=90)


def test_nobody_can_be_asked_about_a_dependent_of_whom_the_host_has_not_told() -> None:
    world = Hospital()
    world.hear(on_file(relationship="child"), on_file(coverage_id="COV-I", payer_id="NOPE", member_id="ACTIVE-I"))
    assert outcome(world.hear(verify_again("COV-H"), actor=STAFF)) == ("refused", "not_found")
    assert outcome(world.hear(verify_again("COV-I"), actor=STAFF)) == ("refused", "unknown_payer")
    world.hear(registered())
    assert outcome(world.hear(verify_again("COV-H"), actor=STAFF)) == ("done", None)
