from typing import Any, get_args

import pytest

from services.notifications.domain.internal import (
    AccountLeft,
    CodeAnswered,
    ContactHarmed,
    HearCodeReceipt,
    StartTexts,
    StopTexts,
)
from services.notifications.domain.person import Person, by_channel
from services.notifications.rows import ENROLMENT
from shared.events.envelope import Data
from shared.events.notifications import Alerts, Channel, PaperlessEnded, PaperlessEnrolled
from tests.unit.notifications.story import (
    ACCOUNT,
    EMAIL,
    NOON,
    RULES,
    SECOND,
    TEXT,
    UNSUBSCRIBE,
    WHO,
    confirmed,
    enrol,
    enrolled,
    events,
    names,
    outcome,
    remove,
    when,
    withdraw,
)

STOP = StopTexts(person_id=WHO, contact_id=TEXT)


def harmed(reason: str, contact_id: str = EMAIL, version: int = 1) -> ContactHarmed:
    said = {"person_id": WHO, "contact_id": contact_id, "contact_version": version, "reason": reason}
    return ContactHarmed.model_validate(said)


def ended(reason: str) -> PaperlessEnded:
    return PaperlessEnded(person_id=WHO, account_number=ACCOUNT, reason=reason)


def test_consent_is_kept_with_the_version_and_hash_of_its_text_the_time_and_the_person() -> None:
    decision = when(confirmed(EMAIL), enrol())
    alerts = Alerts(email=EMAIL)
    told = PaperlessEnrolled(person_id=WHO, account_number=ACCOUNT, alerts=alerts, text_version="2026-01-en")
    assert (outcome(decision), events(decision)) == (("done", None), [told])
    kept = decision.state.enrolments[ACCOUNT]
    assert (kept.text_sha256, kept.consented_at) == (RULES.current_texts["2026-01-en"], NOON)
    assert kept.consented_by == f"patient:{WHO}"


def test_each_consent_is_noted_as_it_was_given_and_as_it_ended_and_a_change_of_alerts_alone_is_not() -> None:
    first = when(confirmed(EMAIL, TEXT), enrol(EMAIL, TEXT)).state
    ended_once = when(when(first, remove(TEXT)).state, withdraw(), at=NOON + SECOND).state
    again = when(ended_once, enrol(text_version="2026-01-es"), at=NOON + 2 * SECOND).state
    noted = [(one.text_version, one.text_sha256, one.ended_reason) for one in again.consents]
    hashes = RULES.current_texts
    english, spanish = (("2026-01-en", hashes["2026-01-en"]), ("2026-01-es", hashes["2026-01-es"]))
    assert noted == [(*english, None), (*english, "withdrawn"), (*spanish, None)]
    assert [one.consented_at for one in again.consents] == [NOON, NOON, NOON + 2 * SECOND]
    assert [one.ended_at for one in again.consents] == [None, NOON + SECOND, None]
    assert {one.consented_by for one in again.consents} == {f"patient:{WHO}"}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (enrol(accepted=False), "consent_missing"),
        (enrol(text_version="2024-01-en"), "consent_stale"),
        (enrol(text=TEXT), "contact_not_verified"),
        (enrol(email=TEXT), "contact_not_verified"),
        (enrol(email=None, text=EMAIL), "contact_not_verified"),
    ],
)
def test_an_enrolment_is_refused_with_the_reason(asked: object, reason: str) -> None:
    assert outcome(when(confirmed(EMAIL), asked)) == ("refused", reason)  # type: ignore[arg-type]


def test_an_account_that_is_not_the_persons_is_not_found_before_anything_else_is_said() -> None:
    assert outcome(when(Person(WHO), enrol(accepted=False))) == ("refused", "not_found")
    assert outcome(when(confirmed(EMAIL), enrol(), actor="patient:P-2")) == ("refused", "not_found")
    assert outcome(when(enrolled(), withdraw(), actor="proxy:P-2")) == ("refused", "not_found")


def test_without_alerts_a_verified_contact_is_needed_all_the_same() -> None:
    assert outcome(when(confirmed(EMAIL), enrol(email=None))) == ("done", None)
    assert outcome(when(confirmed(), enrol(email=None))) == ("refused", "contact_not_verified")


def test_enrolling_again_is_done_again_and_with_other_alerts_changes_them() -> None:
    person = enrolled(EMAIL, TEXT)
    again = when(person, enrol(EMAIL, TEXT), at=NOON + SECOND)
    assert (outcome(again), again.state) == (("done", None), person)
    changed = when(person, enrol(None, TEXT), at=NOON + SECOND)
    assert changed.state.enrolments[ACCOUNT].alerts == Alerts(text=TEXT)


def test_withdrawal_counts_at_once_and_again_and_who_never_enrolled_has_nothing_to_withdraw() -> None:
    decision = when(enrolled(), withdraw())
    assert (outcome(decision), events(decision)) == (("done", None), [ended("withdrawn")])
    assert not decision.state.enrolments[ACCOUNT].in_force
    assert events(when(decision.state, withdraw())) == [ended("withdrawn")]
    assert outcome(when(confirmed(EMAIL), withdraw())) == ("refused", "not_found")


@pytest.mark.parametrize(
    ("heard", "told", "reason"),
    [
        (UNSUBSCRIBE, "contact-unsubscribed", "unsubscribed"),
        (remove(), "contact-removed", "contact_removed"),
        (harmed("complained"), "contact-refused", "complained"),
    ],
)
def test_the_end_of_the_last_alert_channel_ends_the_enrolment(heard: object, told: str, reason: str) -> None:
    decision = when(enrolled(), heard)  # type: ignore[arg-type]
    assert names(decision) == [told, "paperless-ended"]
    assert events(decision)[1] == ended(reason)
    both = when(enrolled(EMAIL, TEXT), heard)  # type: ignore[arg-type]
    assert names(both) == [told]
    assert both.state.enrolments[ACCOUNT].alerts == Alerts(text=TEXT)


@pytest.mark.parametrize(
    ("heard", "told", "reason"),
    [
        (UNSUBSCRIBE, "contact-unsubscribed", "unsubscribed"),
        (remove(), "contact-removed", "contact_removed"),
        (harmed("complained"), "contact-refused", "complained"),
    ],
)
def test_the_end_of_the_last_channel_that_works_ends_the_enrolment_though_another_was_chosen(
    heard: Any, told: str, reason: str
) -> None:
    bounced = when(enrolled(EMAIL, TEXT), harmed("hard_bounce", TEXT)).state
    decision = when(bounced, heard)
    assert names(decision) == [told, "paperless-ended"]
    assert events(decision)[1] == ended(reason)


def test_the_end_of_a_channel_that_does_not_work_leaves_the_one_that_does() -> None:
    bounced = when(enrolled(EMAIL, TEXT), harmed("hard_bounce", TEXT)).state
    stopped = when(bounced, STOP)
    assert names(stopped) == ["texts-stopped"]
    assert stopped.state.enrolments[ACCOUNT].alerts == Alerts(email=EMAIL)


def test_stop_ends_texts_and_start_brings_them_back_but_not_an_enrolment_that_ended() -> None:
    stopped = when(enrolled(None, TEXT), STOP)
    assert names(stopped) == ["texts-stopped", "paperless-ended"]
    assert stopped.state.contacts[TEXT].status == "stopped"
    assert when(stopped.state, STOP).events == ()
    assert outcome(when(stopped.state, enrol(None, TEXT))) == ("refused", "contact_not_verified")
    started = when(stopped.state, StartTexts(person_id=WHO, contact_id=TEXT))
    assert names(started) == ["contact-verified"]
    assert not started.state.enrolments[ACCOUNT].in_force
    assert outcome(when(started.state, enrol(None, TEXT))) == ("done", None)


@pytest.mark.parametrize("heard", [remove(TEXT), harmed("hard_bounce", TEXT)], ids=["removed", "refused"])
def test_start_brings_back_nothing_but_what_stop_ended(heard: Data) -> None:
    lost = when(confirmed(TEXT), heard).state
    started = when(lost, StartTexts(person_id=WHO, contact_id=TEXT))
    assert (started.state, started.events) == (lost, ())


def test_a_bounce_refuses_the_contact_and_leaves_the_enrolment() -> None:
    decision = when(enrolled(), harmed("hard_bounce"))
    assert names(decision) == ["contact-refused"]
    assert [event.key for event in decision.events] == [WHO]
    assert decision.state.enrolments[ACCOUNT].in_force
    assert when(decision.state, harmed("hard_bounce")).events == ()


@pytest.mark.parametrize(
    ("contact_id", "heard", "told", "reason"),
    [
        (TEXT, STOP, "texts-stopped", "texts_stopped"),
        (EMAIL, remove(), "contact-removed", "contact_removed"),
        (EMAIL, harmed("complained"), "contact-refused", "complained"),
        (EMAIL, harmed("hard_bounce"), "contact-refused", "hard_bounce"),
        (EMAIL, harmed("refused"), "contact-refused", "refused"),
    ],
)
def test_without_alerts_the_loss_of_the_last_contact_that_counts_ends_the_enrolment(
    contact_id: str, heard: Any, told: str, reason: str
) -> None:
    def without_alerts(*contacts: str) -> Person:
        state: Person = when(confirmed(*contacts), enrol(None)).state
        return state

    decision = when(without_alerts(contact_id), heard)
    assert names(decision) == [told, "paperless-ended"]
    assert events(decision)[1] == ended(reason)
    left = decision.state.enrolments[ACCOUNT]
    assert (left.in_force, left.ended_reason, decision.state.consents[-1]) == (False, reason, left)
    both = when(without_alerts(EMAIL, TEXT), heard)
    assert names(both) == [told]
    assert both.state.enrolments[ACCOUNT].in_force


def test_a_code_that_its_contact_refuses_takes_the_contact_from_an_enrolment_without_alerts_too() -> None:
    person = when(confirmed(EMAIL), enrol(None)).state
    about = {"person_id": WHO, "contact_id": EMAIL, "code_id": person.contacts[EMAIL].code.code_id}
    bounced = when(person, HearCodeReceipt.model_validate(about | {"status": "bounced"}))
    assert names(bounced) == ["receipt-heard", "contact-refused", "paperless-ended"]
    assert events(bounced)[2] == ended("hard_bounce")
    refused = when(person, CodeAnswered.model_validate(about | {"result": "refused"}))
    assert events(refused)[1] == ended("refused")


def test_unsubscribing_leaves_the_contact_to_be_chosen_again_and_an_enrolment_without_alerts_as_it_is() -> None:
    person = when(confirmed(EMAIL), enrol(None)).state
    decision = when(person, UNSUBSCRIBE)
    assert (names(decision), decision.state) == (["contact-unsubscribed"], person)


def test_a_bounce_of_what_was_sent_before_the_contact_was_confirmed_anew_is_no_news() -> None:
    assert when(enrolled(), harmed("hard_bounce", version=0)).events == ()


def test_who_leaves_the_account_is_enrolled_no_longer_and_when_they_come_back_consents_anew() -> None:
    left = AccountLeft(person_id=WHO, account_number=ACCOUNT, left_at=NOON)
    decision = when(enrolled(), left)
    assert events(decision) == [ended("no_longer_on_account")]
    assert when(decision.state, left).events == ()
    assert when(Person(WHO), left).events == ()
    anew = when(decision.state, enrol(), at=NOON + SECOND)
    assert (outcome(anew), anew.state.enrolments[ACCOUNT].consented_at) == (("done", None), NOON + SECOND)
    late = when(anew.state, left, at=NOON + SECOND)
    assert (late.events, late.state) == ((), anew.state)


def test_unsubscribing_again_is_done_again() -> None:
    once = when(enrolled(), UNSUBSCRIBE)
    again = when(once.state, UNSUBSCRIBE)
    assert (outcome(again), names(again), again.state) == (("done", None), ["contact-unsubscribed"], once.state)


def test_alerts_can_be_chosen_and_kept_for_each_channel() -> None:
    chosen = {channel: f"by-{channel}" for channel in get_args(Channel)}
    assert by_channel(Alerts(**chosen)) == chosen
    assert {f"{channel}_contact_id" for channel in chosen} <= set(ENROLMENT)
