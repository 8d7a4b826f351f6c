from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifications.domain import decide
from services.notifications.domain.account import Account
from services.notifications.domain.alerts import FAILURE_WAITS, QUERY_WAITS
from services.notifications.domain.internal import (
    ContactHarmed,
    QueryAlert,
    ReceiptStatus,
    SendAlert,
    StopTexts,
)
from services.notifications.domain.person import Person
from shared.events.notifications import AlertFailed
from shared.messaging.decision import Decision
from tests.unit.notifications.story import (
    ACCOUNT,
    BOUNCE,
    EMAIL,
    NOON,
    RULES,
    TEXT,
    UNSUBSCRIBE,
    VIEWER,
    WHO,
    account_of,
    alerted,
    answer,
    chains,
    confirmed,
    due,
    enrol,
    enrolled,
    events,
    message,
    names,
    opened,
    paper,
    receipt,
    registered,
    statement,
    tasks,
    the_alert,
    when,
    withdraw,
)

HOUR = timedelta(hours=1)


def test_a_statement_is_one_alert_for_each_chosen_contact() -> None:
    decision = when(account_of(enrolled(EMAIL, TEXT)), statement())

    assert [alert.channel for alert in decision.state.alerts.values()] == ["email", "text"]
    assert all(isinstance(task, SendAlert) for task in tasks(decision))
    assert len(tasks(decision)) == 2
    assert events(decision) == []


def test_each_statement_is_an_alert_of_its_own() -> None:
    first = when(account_of(enrolled()), statement("S-1"))
    second = when(first.state, statement("S-2"), at=NOON + HOUR)
    assert [one.statement_id for one in second.state.alerts.values()] == ["S-1", "S-2"]
    assert len(tasks(second)) == 1
    again = when(second.state, statement("S-1"), at=NOON + HOUR)
    assert (again.state, again.tasks) == (second.state, ())


def test_a_statement_told_again_in_another_message_sends_nothing() -> None:
    account = when(account_of(enrolled()), statement()).state
    again = when(account, statement(), at=NOON + HOUR)
    assert (again.events, again.tasks, again.state) == ((), (), account)


def test_nobody_enrolled_nothing_said_and_without_alerts_it_is_still_not_paper() -> None:
    assert when(Account(ACCOUNT), statement()).events == ()
    person = when(confirmed(EMAIL), enrol(None, None)).state
    decision = when(account_of(person), statement())
    assert (decision.events, decision.tasks) == ((), ())
    decision = when(account_of(replace(person, contacts={})), statement())
    assert (paper(decision), decision.tasks) == (["contact_refused"], ())


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (withdraw(), "withdrawn"),
        (UNSUBSCRIBE, "unsubscribed"),
    ],
)
def test_after_the_end_of_an_enrolment_each_statement_is_told_to_be_printed(heard: Any, reason: str) -> None:
    person = when(enrolled(), heard).state
    decision = when(account_of(person), statement())
    assert (paper(decision), tasks(decision)) == ([reason], [])


def test_of_two_facts_of_the_same_time_the_one_that_comes_later_counts() -> None:
    account = when(Account(ACCOUNT), opened(WHO, VIEWER)).state
    assert when(account, opened(WHO)).state.persons == (WHO,)
    chicago, denver = (registered(zone) for zone in ("America/Chicago", "America/Denver"))
    assert when(when(None, chicago).state, denver).state.time_zone == "America/Denver"


def test_a_chosen_contact_that_nothing_gets_to_brings_paper_and_the_other_its_alert() -> None:
    person = when(enrolled(), BOUNCE).state
    assert paper(when(account_of(person), statement())) == ["contact_refused"]
    both = when(enrolled(EMAIL, TEXT), BOUNCE).state
    decision = when(account_of(both), statement())
    assert (paper(decision), len(tasks(decision))) == ([], 1)


@pytest.mark.parametrize(
    ("now", "zones", "sent_at"),
    [
        ("2026-03-02T17:00Z", ("America/New_York",), "2026-03-02T17:00Z"),
        ("2026-03-03T02:00Z", ("America/New_York",), "2026-03-03T13:00Z"),
        ("2026-03-03T01:59Z", ("America/New_York",), "2026-03-03T01:59Z"),
        ("2026-03-02T12:59Z", ("America/New_York", "America/Los_Angeles"), "2026-03-02T16:00Z"),
        ("2026-03-03T02:30Z", ("America/New_York", "America/Los_Angeles"), "2026-03-03T16:00Z"),
        ("2026-03-08T04:00Z", ("America/New_York",), "2026-03-08T12:00Z"),
        ("2026-03-03T02:00Z", ("nowhere",), "2026-03-03T13:00Z"),
        ("2026-03-03T02:00Z", ("Mars/Base", "America/Chicago"), "2026-03-03T02:00Z"),
        ("2026-03-03T02:00Z", (), "2026-03-03T13:00Z"),
    ],
)
def test_a_text_waits_for_an_hour_that_is_quiet_nowhere_its_reader_may_be(
    now: str, zones: tuple[str, ...], sent_at: str
) -> None:
    account = account_of(enrolled(None, TEXT), zones=zones)
    decision = when(account, statement(), at=datetime.fromisoformat(now))
    assert due(decision) == [datetime.fromisoformat(sent_at)]


def test_where_a_number_is_counts_when_the_zone_that_was_told_is_none() -> None:
    london_at_night = datetime(2026, 3, 2, 23, tzinfo=UTC)
    person = enrolled(None, TEXT)
    person = person.with_contact(replace(person.contacts[TEXT], address="+447400123456"))
    decision = when(account_of(person, zones=("Mars/Base",)), statement(), at=london_at_night)
    assert due(decision) == [datetime(2026, 3, 3, 8, tzinfo=UTC)]


def test_an_email_waits_for_no_hour() -> None:
    night = datetime(2026, 3, 3, 5, tzinfo=UTC)
    assert due(when(account_of(enrolled()), statement(), at=night)) == [night]


def test_an_alert_that_was_certainly_not_sent_is_tried_again_ever_later_and_in_the_end_is_paper() -> None:
    account = alerted()
    for number, wait in enumerate(FAILURE_WAITS, 2):
        decision = when(account, answer(account, "not_sent", reason="server_not_reached"))
        assert (due(decision), events(decision)) == ([NOON + wait], [])
        assert the_alert(decision.state).attempt == number
        account = decision.state
    decision = when(account, answer(account, "not_sent", reason="server_not_reached"))
    assert names(decision) == ["alert-failed", "paper-statement-due"]
    assert paper(decision) == ["server_not_reached"]


def test_a_pause_that_the_provider_asks_for_costs_no_attempt() -> None:
    account = alerted()
    for _ in range(len(FAILURE_WAITS) + 5):
        decision = when(account, answer(account, "later", wait_s=60))
        assert (due(decision), events(decision)) == ([NOON + timedelta(minutes=1)], [])
        account = decision.state
    assert names(when(account, answer(account, "sent"))) == ["alert-sent"]


def test_an_answer_that_comes_twice_or_to_an_earlier_attempt_does_nothing() -> None:
    account = alerted()
    first = answer(account, "not_sent")
    again = when(account, first).state
    assert when(again, first).tasks == ()
    sent = when(again, answer(again, "sent")).state
    assert when(sent, answer(again, "sent")).events == ()
    assert when(sent, answer(again, "refused")).events == ()


def test_a_refusal_for_good_fails_the_alert_brings_paper_and_harms_the_contact() -> None:
    account = alerted()
    decision = when(account, answer(account, "refused", reason="refused"))
    assert names(decision) == ["alert-failed", "paper-statement-due"]
    assert tasks(decision) == [ContactHarmed(person_id=WHO, contact_id=EMAIL, contact_version=1, reason="refused")]


def test_what_may_not_be_sent_any_more_is_suppressed_and_brings_paper() -> None:
    account = alerted()
    decision = when(account, answer(account, "suppressed", reason="withdrawn"))
    assert (the_alert(decision.state).status, paper(decision)) == ("suppressed", ["withdrawn"])
    assert the_alert(when(decision.state, answer(account, "sent")).state).status == "suppressed"


def answered(account: Account, channel: str, result: str, **said: Any) -> Decision[Any]:
    """Decide about the answer to the alert by one of two channels."""
    alert = next(alert for alert in account.alerts.values() if alert.channel == channel)
    return when(account, answer(replace(account, alerts={alert.alert_id: alert}), result, **said))


@pytest.mark.parametrize("result", ["sent", "delivered", "not_sent", "unknown"])
def test_a_text_whose_contact_went_while_it_waited_brings_no_paper_beside_a_mail_of_the_same_statement(
    result: str,
) -> None:
    account = answered(alerted(EMAIL, TEXT), "email", result).state
    decision = answered(account, "text", "suppressed", reason="contact_removed")
    assert names(decision) == ["alert-failed"]
    if result == "sent":
        mail = replace(
            decision.state, alerts={a: b for a, b in decision.state.alerts.items() if b.channel == "email"}
        )
        assert paper(when(decision.state, receipt(mail, "bounced"))) == ["hard_bounce"]


def test_a_text_that_may_not_be_sent_brings_paper_when_no_mail_arrives_or_the_enrolment_has_ended() -> None:
    account = answered(alerted(EMAIL, TEXT), "email", "suppressed", reason="contact_removed").state
    assert paper(answered(account, "text", "suppressed", reason="contact_refused")) == ["contact_refused"]
    account = answered(alerted(EMAIL, TEXT), "email", "delivered").state
    ended = account_of(when(enrolled(EMAIL, TEXT), withdraw()).state)
    account = replace(account, subscribers=ended.subscribers)
    assert paper(answered(account, "text", "suppressed", reason="withdrawn")) == ["withdrawn"]


def changed_overnight(person: Person) -> Decision[Any]:
    """Decide about a text that waited for the morning, while the person chose other contacts for alerts."""
    night = datetime(2026, 3, 3, 3, tzinfo=UTC)
    account = when(account_of(enrolled(None, TEXT)), statement(), at=night).state
    account = replace(account, subscribers=account_of(person).subscribers)
    return when(account, answer(account, "suppressed", reason="no_longer_chosen"), at=night + 10 * HOUR)


def test_who_chose_another_contact_while_an_alert_waited_is_told_there_and_needs_no_paper() -> None:
    chosen = when(confirmed(EMAIL, TEXT), enrol(EMAIL)).state
    decision = changed_overnight(chosen)
    assert names(decision) == ["alert-failed"]
    assert [(one.channel, one.status) for one in decision.state.alerts.values()] == [
        ("text", "suppressed"),
        ("email", "created"),
    ]
    assert due(decision) == [datetime(2026, 3, 3, 13, tzinfo=UTC)]


def test_who_confirmed_the_contact_again_while_an_alert_waited_is_told_there() -> None:
    person = enrolled(None, TEXT)
    again = person.with_contact(replace(person.contacts[TEXT], version=2))
    decision = changed_overnight(again)
    assert (names(decision), len(due(decision))) == (["alert-failed"], 1)


def test_who_chose_to_have_no_alerts_while_one_waited_gets_none_and_no_paper() -> None:
    decision = changed_overnight(when(confirmed(EMAIL, TEXT), enrol(None)).state)
    assert (names(decision), decision.tasks) == (["alert-failed"], ())


def test_who_chose_a_contact_that_nothing_gets_to_while_an_alert_waited_gets_paper() -> None:
    chosen = when(confirmed(EMAIL, TEXT), enrol(EMAIL)).state
    decision = changed_overnight(when(chosen, BOUNCE).state)
    assert (paper(decision), decision.tasks) == (["contact_refused"], ())


def unknown() -> Account:
    account = alerted(None, TEXT)
    decision = when(account, answer(account, "unknown"))
    assert names(decision) == ["alert-unknown"]
    assert [task.due_at for task in decision.tasks] == [NOON + QUERY_WAITS[0]]
    assert isinstance(decision.tasks[0].data, QueryAlert)
    state: Account = decision.state
    return state


def test_what_nobody_knows_is_asked_for_and_never_sent_again() -> None:
    account = unknown()
    assert names(when(account, answer(account, "delivered"))) == ["alert-sent", "alert-delivered"]
    for wait in QUERY_WAITS[1:]:
        decision = when(account, answer(account, "not_received"))
        assert [task.due_at for task in decision.tasks] == [NOON + wait]
        assert due(decision) == []
        account = decision.state
    missing = when(account, answer(account, "not_received"))
    assert (names(missing), paper(missing)) == (["alert-failed", "paper-statement-due"], ["not_received"])
    never = when(account, answer(account, "unknown"))
    assert (names(never), paper(never)) == (["paper-statement-due"], ["alert_unknown"])
    assert the_alert(never.state).status == "unknown"


def test_an_answer_to_an_earlier_question_does_nothing() -> None:
    account = unknown()
    late = answer(account, "not_received")
    account = when(account, late).state
    assert when(account, late).tasks == ()


def test_a_bounce_brings_paper_once_though_both_alerts_bounce() -> None:
    account = alerted(EMAIL, TEXT)
    reasons: list[str] = []
    for alert_id in account.alerts:
        one = replace(account, alerts={alert_id: account.alerts[alert_id]})
        decision = when(account, receipt(one, "bounced"))
        reasons += paper(decision)
        assert [type(event) for event in events(decision)][1] is AlertFailed
        account = decision.state
    assert reasons == ["hard_bounce"]


def test_an_email_that_arrived_can_still_bounce_or_be_complained_about_but_not_get_lost() -> None:
    account = alerted()
    arrived = when(account, receipt(account, "delivered")).state
    assert names(when(arrived, receipt(account, "failed"))) == ["receipt-heard"]
    assert names(when(arrived, receipt(account, "sent"))) == ["receipt-heard"]
    for status, harm in (("bounced", "hard_bounce"), ("complained", "complained")):
        decision = when(arrived, receipt(account, status))
        assert names(decision) == ["receipt-heard", "alert-failed", "paper-statement-due"]
        (task,) = tasks(decision)
        assert isinstance(task, ContactHarmed)
        assert task.reason == harm


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("sent", ["receipt-heard", "alert-sent"]),
        ("delivered", ["receipt-heard", "alert-sent", "alert-delivered"]),
        ("failed", ["receipt-heard", "alert-failed", "paper-statement-due"]),
        ("bounced", ["receipt-heard", "alert-failed", "paper-statement-due"]),
    ],
)
def test_what_a_receipt_brings_about_belongs_to_the_chain_of_the_statement(status: str, told: list[str]) -> None:
    announced = message(statement()).model_copy(update={"correlationid": "the-run"})
    account = decide(account_of(enrolled()), announced, NOON, RULES).state
    assert isinstance(account, Account)
    decision = when(account, receipt(account, status))

    assert names(decision) == told
    assert chains(decision) == [None, *("the-run" for _ in (*told[1:], *decision.tasks))]
    assert len(decision.tasks) == (status == "bounced")


RANK = ["created", "unknown", "sent", "delivered", "failed"]


@given(st.lists(st.sampled_from([*get_args(ReceiptStatus), "answer:sent", "answer:unknown"]), max_size=12))
@settings(max_examples=150)
def test_whatever_order_receipts_come_in_an_alert_only_moves_forward_and_each_step_is_told_once(
    heard: list[str],
) -> None:
    start = account = alerted()
    told: list[str] = []
    for word in heard:
        kind, _, result = word.partition(":")
        decision = when(account, answer(start, result) if result else receipt(start, kind))
        assert RANK.index(the_alert(decision.state).status) >= RANK.index(the_alert(account).status)
        told += [name for name in names(decision) if name != "receipt-heard"]
        account = decision.state
    assert len(told) == len(set(told))
    assert ("paper-statement-due" in told) == (the_alert(account).status == "failed")
    if "bounced" in heard or "complained" in heard:
        assert the_alert(account).status == "failed"
    elif "delivered" in heard and "failed" not in heard:
        assert the_alert(account).status == "delivered"


def test_a_number_that_said_stop_gets_no_alert() -> None:
    person = when(enrolled(EMAIL, TEXT), StopTexts(person_id=WHO, contact_id=TEXT)).state
    assert isinstance(person, Person)
    decision = when(account_of(person), statement())
    assert [alert.channel for alert in decision.state.alerts.values()] == ["email"]
