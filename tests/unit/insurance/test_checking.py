"""When coverages are verified by themselves: each month, as they begin and have ended, and before appointments."""

from datetime import date, timedelta

import pytest

from services.insurance.domain.settling_work import SettleWork
from shared.events.insurance import WorkRaised
from tests.unit.insurance.story import (
    PATIENT,
    STAFF,
    add,
    asked,
    booked,
    cancelled,
    hospital,
    message,
    on_file,
    remove,
    verify_again,
)

DAY = timedelta(days=1)


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
