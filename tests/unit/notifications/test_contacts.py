from datetime import timedelta

import pytest

from services.notifications.domain import decide
from services.notifications.domain.contacts import (
    CODE_LIFETIME,
    CODE_TRIES_MAX,
    CODES_OF_ADDRESS_MAX,
    CODES_OF_CONTACT_MAX,
    CODES_OF_PERSON_MAX,
    CODES_OF_PREFIX_MAX,
)
from services.notifications.domain.internal import (
    CodeAnswered,
    ContactHarmed,
    HearCodeReceipt,
    SendCode,
    StartTexts,
    StopTexts,
)
from services.notifications.domain.person import Crowd, Person
from shared.events.notifications import AddContact, CodeSent, ContactVerified
from shared.messaging.decision import Decision
from tests.unit.notifications.story import (
    BOUNCE,
    EMAIL,
    NOON,
    RULES,
    SECOND,
    TEXT,
    WHO,
    account_of,
    add,
    chains,
    code_of,
    confirm,
    confirmed,
    crowded,
    enrolled,
    events,
    message,
    names,
    outcome,
    remove,
    resend,
    statement,
    tasks,
    when,
)

MINUTE = 60 * SECOND


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_contact_is_added_and_a_code_is_sent_that_no_event_and_no_state_holds() -> None:
    decision = when(None, add())

    assert outcome(decision) == ("done", None)
    (told,) = events(decision)
    assert told == CodeSent(contact_id=EMAIL, person_id=WHO, channel="email", expires_at=NOON + CODE_LIFETIME)
    (task,) = tasks(decision)
    assert isinstance(task, SendCode)
    code = RULES.code(task.code_id)
    assert len(code) == 6
    everywhere = f"{decision.events} {decision.tasks} {decision.state}"
    assert code not in everywhere
    assert "ana@mail.example" not in f"{decision.events} {decision.tasks}"


def test_the_right_code_verifies_a_contact_also_when_it_is_brought_twice() -> None:
    added = when(None, add())
    done = when(added.state, confirm(code_of(added)), at=NOON + 9 * MINUTE)
    assert events(done) == [ContactVerified(contact_id=EMAIL, person_id=WHO, channel="email")]
    again = when(done.state, confirm(code_of(added)), at=NOON + 60 * MINUTE)
    assert (outcome(again), names(again)) == (("done", None), ["contact-verified"])
    assert again.state == done.state


def test_after_five_wrong_codes_the_right_one_is_as_good_as_an_old_one() -> None:
    added = when(None, add())
    state = added.state
    for _ in range(CODE_TRIES_MAX):
        decision = when(state, confirm(wrong(code_of(added))))
        assert outcome(decision) == ("refused", "code_wrong")
        state = decision.state
    assert outcome(when(state, confirm(code_of(added)))) == ("refused", "code_expired")


@pytest.mark.parametrize("right", [True, False])
def test_after_ten_minutes_a_code_is_expired_whether_it_is_right_or_not(right: bool) -> None:
    added = when(None, add())
    code = code_of(added) if right else wrong(code_of(added))
    assert outcome(when(added.state, confirm(code), at=NOON + CODE_LIFETIME)) == ("refused", "code_expired")


def test_another_code_can_be_had_after_a_minute_and_the_one_before_is_no_longer_valid() -> None:
    added = when(None, add())
    assert outcome(when(added.state, resend(), at=NOON + 59 * SECOND)) == ("refused", "too_soon")
    again = when(added.state, resend(), at=NOON + MINUTE)
    assert outcome(again) == ("done", None)
    assert code_of(again) != code_of(added)
    assert outcome(when(again.state, confirm(code_of(added)), at=NOON + MINUTE)) == ("refused", "code_wrong")
    assert outcome(when(again.state, confirm(code_of(again)), at=NOON + MINUTE)) == ("done", None)


def test_a_contact_that_is_verified_needs_no_other_code() -> None:
    decision = when(confirmed(EMAIL), resend())
    assert (outcome(decision), names(decision), tasks(decision)) == (("done", None), ["contact-verified"], [])


@pytest.mark.parametrize(
    ("actor", "found"), [(f"proxy:{WHO}", True), (f"staff:{WHO}", False), ("proxy:P-2", False)]
)
def test_a_person_acts_for_themself_also_where_they_act_for_others(actor: str, found: bool) -> None:
    assert outcome(when(None, add(), actor=actor)) == (("done", None) if found else ("refused", "not_found"))


def test_the_minute_between_codes_holds_for_an_address_under_whatever_id_it_is_added() -> None:
    def added(person: Person, contact_id: str, address: str, seconds: int) -> Decision[Person]:
        asked = AddContact(contact_id=contact_id, person_id=WHO, channel="email", address=address)
        return when(person, asked, at=NOON + seconds * SECOND)

    told = when(None, add())
    first = told.state
    assert outcome(added(first, "C-2", "ana@MAIL.example", 59)) == ("refused", "too_soon")
    removed = when(first, remove(), at=NOON + SECOND).state
    assert outcome(added(removed, "C-2", "ana@mail.example", 59)) == ("refused", "too_soon")
    assert outcome(added(first, "C-2", "bo@mail.example", 0)) == ("done", None)
    shown = when(first, confirm(code_of(told)), at=NOON + SECOND).state
    assert outcome(added(when(shown, remove()).state, "C-2", "ana@mail.example", 2)) == ("done", None)
    again = added(first, "C-2", "ana@mail.example", 60)
    assert outcome(again) == ("done", None)
    assert outcome(when(again.state, resend(), at=NOON + 61 * SECOND)) == ("refused", "too_soon")


def test_a_contact_gets_so_many_codes_a_day() -> None:
    decision = when(None, add())
    for number in range(1, CODES_OF_CONTACT_MAX):
        decision = when(decision.state, resend(), at=NOON + number * MINUTE)
        assert outcome(decision) == ("done", None)
    last = when(decision.state, resend(), at=NOON + CODES_OF_CONTACT_MAX * MINUTE)
    assert outcome(last) == ("refused", "too_many_codes")


def test_a_person_gets_so_many_codes_a_day_for_all_contacts_together() -> None:
    sent = tuple((f"C-{number}", NOON) for number in range(CODES_OF_PERSON_MAX))
    assert outcome(when(Person(WHO, codes=sent), add())) == ("refused", "too_many_codes")


@pytest.mark.parametrize(
    ("crowd", "reason"),
    [
        (Crowd(of_address=CODES_OF_ADDRESS_MAX), "too_many_codes"),
        (Crowd(of_prefix=CODES_OF_PREFIX_MAX), "too_many_codes"),
        (Crowd(stopped=True), "texts_stopped"),
    ],
)
def test_an_address_that_had_too_many_codes_or_wants_none_gets_none(crowd: Crowd, reason: str) -> None:
    assert outcome(crowded(None, add(TEXT), crowd)) == ("refused", reason)


def test_a_contact_that_is_added_again_is_the_same_and_with_another_address_a_conflict() -> None:
    added = when(None, add())
    again = when(added.state, add(address=" ana@MAIL.example "))
    assert (outcome(again), tasks(again), again.state) == (("done", None), [], added.state)
    assert outcome(when(added.state, add(address="bo@mail.example"))) == ("refused", "idempotency_conflict")
    verified = confirmed(EMAIL)
    assert names(when(verified, add())) == ["contact-verified"]


@pytest.mark.parametrize(
    ("contact_id", "address", "reason"),
    [
        (EMAIL, "ana", "address_invalid"),
        (EMAIL, "ana@localhost", "address_invalid"),
        (EMAIL, "añá@mail.example", "address_invalid"),
        (EMAIL, f"{'a' * 65}@mail.example", "address_invalid"),
        (TEXT, "12", "address_invalid"),
        (TEXT, "+15555550100", "address_invalid"),
        (TEXT, "+442079460000", "address_not_supported"),
        (TEXT, "+19005550100", "address_not_supported"),
    ],
)
def test_an_address_that_nothing_can_be_sent_to_is_refused(contact_id: str, address: str, reason: str) -> None:
    decision = when(None, add(contact_id, address))
    assert (outcome(decision), tasks(decision)) == (("refused", reason), [])
    assert address not in str(decision.events)


def test_a_domain_in_letters_of_any_language_is_kept_as_mail_servers_write_it() -> None:
    added = when(None, add(address="ana@münchen.Mail.example"))
    assert added.state.contacts[EMAIL].address == "ana@xn--mnchen-3ya.mail.example"
    again = when(added.state, add(address="ana@xn--mnchen-3ya.mail.example"))
    assert (outcome(again), again.state) == (("done", None), added.state)
    assert outcome(when(None, add(address=f"{'a' * 64}@mail.example"))) == ("done", None)


def test_somebody_else_finds_no_contact_whatever_they_ask() -> None:
    added = when(None, add())
    for asked in (add(TEXT), confirm(code_of(added)), resend(), remove()):
        for actor in ("patient:P-2", "proxy:P-2", "guest", "staff:ann"):
            assert outcome(when(added.state, asked, actor=actor)) == ("refused", "not_found")
    for unknown in (confirm("123456", "C-9"), resend("C-9"), remove("C-9")):
        assert outcome(when(added.state, unknown)) == ("refused", "not_found")


def test_a_contact_that_is_removed_is_forgotten_for_good() -> None:
    decision = when(confirmed(EMAIL), remove())
    assert (outcome(decision), names(decision)) == (("done", None), ["contact-removed"])
    removed = decision.state.contacts[EMAIL]
    assert (removed.status, removed.address) == ("removed", None)
    assert outcome(when(decision.state, remove())) == ("done", None)
    assert outcome(when(decision.state, resend())) == ("refused", "not_found")
    other = add(address="bo@mail.example")
    assert outcome(when(decision.state, other)) == ("refused", "idempotency_conflict")


def test_a_contact_that_is_added_again_after_it_was_removed_stays_removed() -> None:
    removed = when(confirmed(EMAIL), remove()).state
    again = when(removed, add(address=" ana@MAIL.example "))
    assert (outcome(again), names(again)) == (("done", None), ["contact-removed"])
    assert (tasks(again), again.state) == ([], removed)


def test_a_contact_whose_provider_refuses_it_is_refused_until_a_newer_code_is_brought() -> None:
    added = when(None, add())
    (task,) = tasks(added)
    assert isinstance(task, SendCode)
    answered = CodeAnswered(person_id=WHO, contact_id=EMAIL, code_id=task.code_id, result="refused")
    refused = when(added.state, answered)
    assert names(refused) == ["contact-refused"]
    assert when(refused.state, answered).events == ()
    again = when(refused.state, resend(), at=NOON + MINUTE)
    assert names(when(again.state, answered)) == []
    done = when(again.state, confirm(code_of(again)), at=NOON + MINUTE)
    assert done.state.contacts[EMAIL].status == "verified"


def test_a_bounce_of_the_code_refuses_the_contact_and_other_receipts_change_nothing() -> None:
    added = when(None, add())
    (task,) = tasks(added)
    assert isinstance(task, SendCode)

    def heard(status: str) -> list[str]:
        said = {"person_id": WHO, "contact_id": EMAIL, "code_id": task.code_id, "status": status}
        return names(when(added.state, HearCodeReceipt.model_validate(said)))

    assert [heard(status) for status in ("sent", "delivered", "failed")] == [["receipt-heard"]] * 3
    assert heard("bounced") == ["receipt-heard", "contact-refused"]


def test_what_becomes_of_a_code_belongs_to_the_chain_of_the_command_that_had_it_sent() -> None:
    asked = message(add())
    person = decide(None, asked, NOON, RULES).state
    assert isinstance(person, Person)
    code_id = person.contacts[EMAIL].code.code_id
    bounced = HearCodeReceipt(person_id=WHO, contact_id=EMAIL, code_id=code_id, status="bounced")
    assert chains(when(person, bounced)) == [None, asked.id]


def test_a_second_code_that_bounces_is_told_as_the_first_was_and_its_receipt_that_comes_twice_once() -> None:
    def bounced(person: Person) -> Decision[Person]:
        said = {"person_id": WHO, "contact_id": EMAIL, "code_id": person.contacts[EMAIL].code.code_id}
        return when(person, HearCodeReceipt.model_validate({**said, "status": "bounced"}))

    refused = bounced(when(None, add()).state).state
    again = when(refused, resend(), at=NOON + MINUTE).state
    assert (again.contacts[EMAIL].status, again.contacts[EMAIL].reason) == ("pending", None)
    twice = bounced(again)
    assert names(twice) == ["receipt-heard", "contact-refused"]
    assert names(bounced(twice.state)) == ["receipt-heard"]


def test_a_contact_that_bounced_gets_no_alert_before_the_code_sent_since_is_brought() -> None:
    person = when(when(enrolled(), BOUNCE).state, resend()).state
    assert names(when(account_of(person), statement())) == ["paper-statement-due"]
    done = when(person, confirm(RULES.code(person.contacts[EMAIL].code.code_id))).state
    assert (done.contacts[EMAIL].status, done.contacts[EMAIL].version) == ("verified", 2)


@pytest.mark.parametrize("reason", ["hard_bounce", "complained", "refused"])
def test_a_contact_that_was_refused_is_not_verified_again_by_the_code_it_had_before(reason: str) -> None:
    added = when(None, add())
    person = when(added.state, confirm(code_of(added))).state
    harm = {"person_id": WHO, "contact_id": EMAIL, "contact_version": 1, "reason": reason}
    refused = when(person, ContactHarmed.model_validate(harm), at=NOON + MINUTE).state
    for code in (code_of(added), wrong(code_of(added))):
        again = when(refused, confirm(code), at=NOON + 2 * MINUTE)
        assert (outcome(again), again.state) == (("refused", "code_expired"), refused)

    newer = when(refused, resend(), at=NOON + 2 * MINUTE)
    assert outcome(when(newer.state, confirm(code_of(added)), at=NOON + 2 * MINUTE)) == ("refused", "code_wrong")
    done = when(newer.state, confirm(code_of(newer)), at=NOON + 2 * MINUTE)
    assert names(done) == ["contact-verified"]


def test_a_code_that_its_contact_refused_does_not_verify_it() -> None:
    added = when(None, add())
    (task,) = tasks(added)
    assert isinstance(task, SendCode)
    answered = CodeAnswered(person_id=WHO, contact_id=EMAIL, code_id=task.code_id, result="refused")
    refused = when(added.state, answered, at=NOON + MINUTE).state
    assert outcome(when(refused, confirm(code_of(added)), at=NOON + MINUTE)) == ("refused", "code_expired")
    state = refused
    for data in (StopTexts, StartTexts):
        state = when(state, data(person_id=WHO, contact_id=EMAIL), at=NOON + MINUTE).state
    assert outcome(when(state, confirm(code_of(added)), at=NOON + MINUTE)) == ("refused", "code_expired")


def test_a_contact_confirmed_again_is_a_new_version() -> None:
    first = confirmed(EMAIL)
    assert first.contacts[EMAIL].version == 1
    assert first.contacts[EMAIL].verified_at == NOON - timedelta(hours=1)
