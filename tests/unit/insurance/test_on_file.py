"""What the host has on file: what it tells last wins, and what it corrects is asked about."""

from datetime import timedelta
from itertools import permutations

from shared.events.insurance import (
    WorkRaised,
)
from tests.unit.insurance.story import (
    NOW,
    PROXY,
    STAFF,
    Hospital,
    add,
    answer,
    booked,
    cancelled,
    hospital,
    message,
    on_file,
    on_its_own,
    outcome,
    registered,
    session_ended,
    set_priority,
)


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


def test_what_the_host_changes_while_the_payer_is_asked_is_asked_anew() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "unanswered", reason="timeout"))
    world.settle()
    world.payer = answer
    world.hear(on_file(coverage_id="COV-1", payer_id="SANDBOX01", member_id="ACTIVE-new"))
    world.settle(timedelta(minutes=2))

    assert [one.inquiry.member_id for one in world.asked] == ["ACTIVE-COV-1", "ACTIVE-new"]
    assert on_its_own(world.coverage()) == ("ACTIVE-new", 2, "active")


def test_two_coverages_on_file_that_are_both_to_pay_first_are_work() -> None:
    world = hospital(on_file(), on_file(coverage_id="COV-I", member_id="ACTIVE-I"))
    (work,) = world.said(WorkRaised)
    assert work.about.coverage_id == "COV-I"
    world.hear(set_priority("COV-I", "COV-H"), actor=STAFF)
    assert not [one for one in world.patient.work.values() if one.is_open]
