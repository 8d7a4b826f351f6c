"""From the question to the payer's answer: what each answer makes of a coverage, and who has to act."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from services.insurance.domain.asking import POSTPONED_BY, AskPayer, PayerAnswered, Sealed
from services.insurance.domain.rejection import REASONS
from services.insurance.domain.settling_work import SettleWork
from shared.events.insurance import (
    CoverageChanges,
    CoverageNotVerified,
    CoverageVerified,
    VerificationSubmitted,
    WorkRaised,
)
from tests.unit.insurance.story import (
    ANA,
    PATIENT,
    PERSON,
    STAFF,
    Hospital,
    Payer,
    add,
    answer,
    booked,
    cancelled,
    change,
    hospital,
    message,
    on_file,
    outcome,
    registered,
    remove,
    session_ended,
    verify_again,
)

DAY = timedelta(days=1)


def payer(*results: str | tuple[str, ...]) -> Payer:
    """Return a payer that answers so in turn, and the last for ever: a result, or reject codes."""
    turns: Iterator[str | tuple[str, ...]] = iter(results)
    last: list[str | tuple[str, ...]] = []

    def say(task: AskPayer) -> PayerAnswered:
        last[:] = [next(turns, last[0] if last else "active")]
        said = last[0]
        if isinstance(said, tuple):
            return answer(task, "rejected", codes=said)
        return answer(task, said, reason={"unanswered": "timeout", "unclear": "no_status"}.get(said))

    return say


def asked(*results: str | tuple[str, ...]) -> Hospital:
    """Return a hospital whose only coverage was asked about."""
    world = hospital(add(), session_ended(), payer=payer(*results))
    world.settle()
    return world


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


def test_an_active_coverage_is_verified_again_each_month_at_a_quiet_hour() -> None:
    world = asked("active")
    world.settle(29 * DAY)
    assert len(world.asked) == 1
    world.settle(5 * DAY)
    assert len(world.asked) == 2
    world.settle(70 * DAY)
    assert len(world.asked) == 4


def test_what_staff_were_told_on_the_phone_is_verified_again_after_a_month() -> None:
    world = asked(("79",), "active")
    (work,) = world.said(WorkRaised)
    told = {
        "work_id": work.work_id,
        "patient_id": PATIENT,
        "action": "override",
        "status": "active",
        "note": "Called.",
    }
    world.hear(SettleWork.model_validate(told), actor=STAFF)
    world.settle(29 * DAY)
    assert len(world.asked) == 1
    world.settle(5 * DAY)
    assert len(world.asked) == 2
    assert world.coverage().answer_id


def test_a_coverage_that_is_not_in_force_is_verified_again_each_month_as_it_may_come_to_be() -> None:
    world = asked("inactive", "active")
    world.settle(34 * DAY)
    assert (len(world.asked), world.coverage().status) == (2, "active")


def test_a_check_that_was_put_off_asks_nothing() -> None:
    world = asked("active")
    world.settle(20 * DAY)
    world.hear(verify_again(), actor=STAFF)
    world.settle(14 * DAY)
    assert len(world.asked) == 2
    world.hear(remove())
    world.settle(60 * DAY)
    assert len(world.asked) == 2


def test_an_appointment_has_all_coverages_verified_as_of_its_day_before_it() -> None:
    world = asked("active")
    starts_at = world.now + 20 * DAY
    world.hear(booked(starts_at), actor="host:scheduling")
    world.settle(16 * DAY)
    assert len(world.asked) == 1
    world.settle(3 * DAY)

    assert len(world.asked) == 2
    assert world.asked[1].inquiry.service_date == starts_at.date()


@pytest.mark.parametrize("last", ["cancelled", "moved"])
def test_an_appointment_that_is_cancelled_or_moved_asks_nothing_on_its_old_day(last: str) -> None:
    world = asked("active")
    world.hear(booked(world.now + 10 * DAY), actor="host:scheduling")
    world.settle(timedelta(minutes=1))
    told = cancelled() if last == "cancelled" else booked(world.now + 25 * DAY)
    world.hear(told, actor="host:scheduling")
    world.settle(15 * DAY)
    assert len(world.asked) == 1
    world.settle(9 * DAY)
    assert len(world.asked) == (1 if last == "cancelled" else 2)


def test_a_cancellation_that_was_told_later_wins_even_if_it_is_heard_first() -> None:
    world = asked("active")
    starts_at = world.now + 5 * DAY
    world.hear(message(cancelled(), at=world.now + timedelta(minutes=2)))
    world.hear(message(booked(starts_at), at=world.now + timedelta(minutes=1)))
    world.settle(6 * DAY)
    assert len(world.asked) == 1


def test_what_the_host_has_on_file_is_verified_within_a_month() -> None:
    world = hospital(on_file())
    assert world.coverage("COV-H").status == "pending"
    world.settle(32 * DAY)
    assert world.coverage("COV-H").status == "active"


@pytest.mark.parametrize(
    ("dates", "night"),
    [
        ({"effective_from": date(2026, 3, 12)}, date(2026, 3, 13)),
        ({"effective_to": date(2026, 3, 12)}, date(2026, 3, 14)),
        ({"effective_from": date(2026, 3, 12), "effective_to": date(2026, 3, 20)}, date(2026, 3, 13)),
    ],
)
def test_a_coverage_is_verified_again_the_night_after_it_begins_and_once_it_has_ended(
    dates: dict[str, date], night: date
) -> None:
    world = hospital(on_file(**dates))
    world.hear(verify_again("COV-H"), actor=STAFF)
    world.settle()
    check_at = world.coverage("COV-H").check_at
    assert check_at is not None
    assert (check_at.date(), check_at.hour in range(6, 10)) == (night, True)
    world.settle(check_at - world.now)
    assert len(world.asked) == 2


@pytest.mark.parametrize("dates", [{"effective_from": date(2025, 1, 1)}, {"effective_to": date.max}])
def test_a_coverage_that_neither_begins_nor_ends_soon_is_verified_again_after_a_month(
    dates: dict[str, date],
) -> None:
    world = hospital(on_file(**dates))
    world.hear(verify_again("COV-H"), actor=STAFF)
    world.settle()
    check_at = world.coverage("COV-H").check_at
    assert check_at is not None
    assert check_at - world.now > 29 * DAY


def test_the_day_of_service_is_the_patients_own() -> None:
    world = hospital(add())
    world.settle(timedelta(hours=11))
    assert world.now.day == 3
    assert world.asked[0].inquiry.service_date.day == 2
    assert world.asked[0].patient_id == PATIENT


def test_an_appointment_told_again_is_asked_about_once_and_one_moved_away_and_back_once_more() -> None:
    world = asked("active")
    soon = world.now + DAY
    for starts_at in (soon, soon, soon + timedelta(hours=1), soon):
        world.hear(booked(starts_at), actor="host:scheduling")
        world.settle(timedelta(minutes=1))

    assert len(world.asked) == 4
    assert len({one.verification_id for one in world.asked}) == 4
