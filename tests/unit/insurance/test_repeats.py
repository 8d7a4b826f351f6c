"""A command that says the same as one before is known, also by what earlier releases kept of it."""

from services.insurance.domain.coverage import content_of
from services.insurance.domain.repeats import fingerprint, is_repeat
from services.insurance.domain.settling_work import SettleWork
from shared.events.insurance import WorkRaised, WorkSettled
from shared.events.vocabulary import Record
from tests.unit.insurance.story import STAFF, active, add, change, decision


class Said(Record):
    payer: str
    note: str | None = None


class SaidLater(Said):
    kind: str | None = None


def test_a_field_that_may_be_given_from_some_day_on_makes_no_earlier_content_another_one() -> None:
    kept = fingerprint(Said(payer="SANDBOX01"))

    assert is_repeat(kept, SaidLater(payer="SANDBOX01"))
    assert not is_repeat(kept, SaidLater(payer="SANDBOX01", kind="group"))


def test_a_coverage_that_was_added_when_all_that_was_not_given_was_kept_as_null_is_known() -> None:
    kept = bytes.fromhex("c0560c572869b75cfec26f1430bcc90c")

    assert is_repeat(kept, content_of(add()))
    assert not is_repeat(kept, content_of(add(member_id="ACTIVE-other")))
    assert not is_repeat(None, content_of(add()))


def test_work_that_a_command_settled_is_told_again_with_the_note_that_it_was_settled_with() -> None:
    world = active()
    world.hear(change())
    world.hear(decision(note="As asked."), actor=STAFF)
    ((work,), (settled,)) = world.said(WorkRaised), world.said(WorkSettled)

    again = SettleWork(work_id=work.work_id, patient_id=work.about.patient_id, action="accept", note="Once more.")
    world.hear(again, actor=STAFF)

    assert world.said(WorkSettled) == [settled, settled]
