"""Payers that answer for no day to come are asked about today instead, once."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from services.insurance.domain.asking import AskPayer, PayerAnswered
from shared.events.insurance import CoverageNotVerified, VerificationSubmitted, WorkRaised
from tests.unit.insurance.story import (
    STAFF,
    Hospital,
    add,
    answer,
    booked,
    change,
    decision,
    hospital,
    registered,
    session_ended,
)

DAY = timedelta(days=1)
NEW_YORK_BEHIND_UTC = timedelta(hours=5)
TIM = {"first_name": "Tim", "birth_date": date(2015, 1, 1)}


def only_until_today(world: Hospital, code: str = "63") -> list[datetime]:
    """Have the payer answer for no day that has not come where it is; return when it is asked from now on."""
    asked_at: list[datetime] = []

    def say(task: AskPayer) -> PayerAnswered:
        asked_at.append(world.now)
        if task.inquiry.service_date > (world.now - NEW_YORK_BEHIND_UTC).date():
            return answer(task, "rejected", codes=(code,))
        return answer(task)

    world.payer = say
    return asked_at


def verified() -> Hospital:
    world = hospital(add(), session_ended())
    world.settle()
    return world


@pytest.mark.parametrize("code", ["62", "63"])
def test_a_payer_that_answers_for_no_day_to_come_is_asked_before_an_appointment_as_of_today(code: str) -> None:
    world = verified()
    asked_at = only_until_today(world, code)
    starts_at = world.now + 10 * DAY
    world.hear(booked(starts_at), actor="host:scheduling")
    world.settle(11 * DAY)

    of_its_day, of_today = (one.inquiry.service_date for one in world.asked[1:])
    assert of_its_day == starts_at.date()
    assert of_today < of_its_day
    assert [later - sooner for sooner, later in pairwise(asked_at)] == [timedelta(seconds=90)]
    assert world.coverage().status == "active"
    assert world.said(CoverageNotVerified) == world.said(WorkRaised) == []
    assert len(world.said(VerificationSubmitted)) == 2


def test_a_payer_that_answers_for_no_day_at_all_is_asked_once_more_and_then_is_a_persons() -> None:
    world = verified()
    world.payer = lambda task: answer(task, "rejected", codes=("63",))
    world.hear(booked(world.now + 10 * DAY), actor="host:scheduling")
    world.settle(11 * DAY)

    assert len(world.asked) == 3
    (told,) = world.said(CoverageNotVerified)
    assert (told.status, told.reason) == ("needs-staff", "date_not_allowed")


def test_where_the_day_begins_before_the_payers_the_payers_own_is_asked_about() -> None:
    world = Hospital()
    world.now = datetime(2026, 3, 3, 2, tzinfo=UTC)
    only_until_today(world)
    world.hear(registered(time_zone="Pacific/Guam"))
    world.hear(add(), session_ended())
    world.settle(timedelta(minutes=2))

    assert [one.inquiry.service_date.day for one in world.asked] == [3, 2]
    assert world.coverage().status == "active"


def test_a_dependent_may_be_asked_about_as_a_subscriber_and_as_of_today() -> None:
    world = hospital(registered(**TIM), add(relationship="child"), session_ended())
    world.settle()
    answers = [("63",), ("80",), ("67",)]
    world.payer = lambda task: answer(task, "rejected", codes=answers.pop(0)) if answers else answer(task)
    world.hear(booked(world.now + 10 * DAY), actor="host:scheduling")
    world.settle(11 * DAY)

    asked = [one.inquiry for one in world.asked[1:]]
    assert [one.alone for one in asked] == [False, False, False, True]
    assert len({one.service_date for one in asked[1:]}) == 1
    assert asked[1].service_date < asked[0].service_date
    assert world.coverage().status == "active"


def test_what_a_payer_said_of_a_change_as_of_its_own_day_holds_when_that_is_accepted() -> None:
    world = hospital(registered(time_zone="Pacific/Guam"), add(), session_ended())
    world.settle()
    world.now = datetime(2026, 3, 3, 2, tzinfo=UTC)
    only_until_today(world)
    world.hear(change(), session_ended("S-2"))
    world.settle(timedelta(minutes=2))
    asked = len(world.asked)
    world.hear(decision(), actor=STAFF)
    world.settle(timedelta(minutes=2))

    assert (len(world.asked), world.coverage().status) == (asked, "active")
