"""What was added or changed in a session is submitted once, whenever its end is told, and if it never is."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.insurance.domain import decide
from services.insurance.domain.coverage import SESSION_GIVEN_UP_AFTER
from services.insurance.domain.patient import Patient
from services.insurance.domain.payers import Directory
from services.insurance.domain.session import SubmitSession
from shared.events.envelope import Data
from shared.events.insurance import CoverageVerified, VerificationSubmitted, WorkRaised
from tests.unit.insurance.story import (
    NOW,
    PATIENT,
    SELF,
    Hospital,
    add,
    change,
    hospital,
    message,
    registered,
    session_ended,
    session_started,
)

MINUTE = timedelta(minutes=1)


def submitted(world: Hospital) -> list[tuple[str | None, str]]:
    return sorted((one.session_id, one.coverage_id) for one in world.said(VerificationSubmitted))


def test_nothing_is_asked_before_the_session_ends_and_all_of_it_afterwards() -> None:
    world = hospital(session_started(), add("COV-1"), add("COV-2"))
    world.settle(5 * MINUTE)
    assert not world.asked

    world.hear(session_ended())
    world.settle()

    assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2")]
    assert [one.status for one in world.said(CoverageVerified)] == ["active", "active"]
    assert world.coverage().status == "active"


def test_a_coverage_that_comes_after_its_session_ended_is_submitted_at_once() -> None:
    world = hospital(session_ended())
    world.settle(timedelta(hours=3))

    world.hear(add())
    world.settle()

    assert submitted(world) == [("S-1", "COV-1")]


def test_a_session_that_never_ends_is_given_up() -> None:
    world = hospital(add())

    world.settle(SESSION_GIVEN_UP_AFTER - MINUTE)
    assert not world.asked
    world.settle(2 * MINUTE)
    assert submitted(world) == [("S-1", "COV-1")]

    world.hear(session_ended())
    world.settle(SESSION_GIVEN_UP_AFTER)
    assert len(world.asked) == 1


def test_what_is_added_late_in_a_session_that_never_ends_waits_as_long_as_the_rest() -> None:
    world = hospital(add("COV-1"))
    world.settle(29 * MINUTE)
    world.hear(add("COV-2"))
    world.settle(2 * MINUTE)
    assert submitted(world) == [("S-1", "COV-1")]
    world.settle(27 * MINUTE)
    assert submitted(world) == [("S-1", "COV-1")]
    world.settle(2 * MINUTE)
    assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2")]


def test_of_a_session_that_never_ends_all_about_one_coverage_is_submitted_at_once_and_once() -> None:
    world = hospital(add())
    world.settle(29 * MINUTE)
    world.hear(change(session_id="S-1"))
    world.settle(2 * SESSION_GIVEN_UP_AFTER)
    assert submitted(world) == [("S-1", "COV-1")]


def test_the_end_of_a_session_submits_what_was_added_a_moment_ago() -> None:
    world = hospital(add("COV-1"))
    world.settle(29 * MINUTE)
    world.hear(add("COV-2"), session_ended())
    world.settle()
    assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2")]


def test_each_of_a_persons_parallel_sessions_submits_its_own() -> None:
    world = hospital(add("COV-1", "S-1"), add("COV-2", "S-2"))

    world.hear(session_ended("S-2"))
    world.settle()
    assert submitted(world) == [("S-2", "COV-2")]

    world.hear(session_ended("S-1"))
    world.settle()
    assert submitted(world) == [("S-1", "COV-1"), ("S-2", "COV-2")]


def test_one_session_submits_for_all_patients_that_a_person_acted_for() -> None:
    world = hospital()
    child = {"patient_id": "PT-2", "person_id": None, "proxies": ("P-1",)}
    world.hear(registered(**child))
    world.hear(add("COV-1"), add("COV-2", patient_id="PT-2", member_id="ACTIVE-2"))

    world.hear(session_ended())
    world.settle()

    assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2")]


TOLD: tuple[Data, ...] = (
    add("COV-1", "S-1"),
    add("COV-2", "S-1"),
    add("COV-3", "S-2"),
    session_started("S-1"),
    session_ended("S-1"),
    session_ended("S-1"),
    session_ended("S-2"),
)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Data]]:
    """All that is told, in any order, cut into batches anywhere."""
    order = draw(st.permutations(TOLD))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1))))
    return [list(order[i:j]) for i, j in zip([0, *cuts], [*cuts, len(order)], strict=True)]


@given(batches(), st.booleans(), st.booleans())
@settings(max_examples=120)
def test_in_any_order_and_any_batches_each_coverage_is_submitted_once(
    told: list[list[Data]], between: bool, settled: bool
) -> None:
    world = hospital()
    for batch in told:
        world.hear(*batch)
        if between:
            world.settle(MINUTE)
    if settled:
        world.settle()
        assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2"), ("S-2", "COV-3")]

    world.settle(2 * SESSION_GIVEN_UP_AFTER)

    assert submitted(world) == [("S-1", "COV-1"), ("S-1", "COV-2"), ("S-2", "COV-3")]
    assert {one.status for one in world.patient.live()} == {"active"}


def test_a_coverage_added_and_changed_in_one_session_is_submitted_once() -> None:
    world = hospital(add(), change(session_id="S-1"))

    world.hear(session_ended())
    world.settle()

    assert submitted(world) == [("S-1", "COV-1")]
    assert world.asked[0].inquiry.member_id == "ACTIVE-COV-1"


def test_a_payer_that_left_the_directory_before_the_session_ended_is_for_staff_to_find() -> None:
    world = hospital(add())
    timer = SubmitSession(session_id="S-1", patient_id=PATIENT)
    decided = decide(world.patient, message(timer), NOW, Directory([]))
    assert isinstance(decided.state, Patient)
    coverage = decided.state.coverages["COV-1"]
    assert (coverage.status, coverage.reason, coverage.waiting_session) == ("needs-staff", "unknown_payer", None)
    assert [type(event.data) for event in decided.events] == [WorkRaised]
    again = decide(decided.state, message(timer), NOW, Directory([]))
    assert (again.state, again.events, again.tasks) == (decided.state, (), ())


def test_the_same_command_in_another_message_is_submitted_once() -> None:
    world = hospital(add(), add())
    world.hear(message(add(), actor=SELF), session_ended(), add())
    world.settle(timedelta(hours=1))
    assert submitted(world) == [("S-1", "COV-1")]
