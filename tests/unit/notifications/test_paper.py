from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.notifications.domain.account import Account
from services.notifications.domain.alerts import QUERY_WAITS
from services.notifications.domain.internal import AccountLeft, ContactHarmed
from services.notifications.domain.person import Person
from shared.events.notifications import PaperlessEnded
from tests.unit.notifications.story import (
    ACCOUNT,
    BOUNCE,
    EMAIL,
    NOON,
    SECOND,
    TEXT,
    UNSUBSCRIBE,
    VIEWER,
    WHO,
    account_of,
    alerted,
    answer,
    enrolled,
    events,
    names,
    opened,
    paper,
    receipt,
    remove,
    statement,
    tasks,
    when,
    withdraw,
)

HOUR = timedelta(hours=1)
LEFT = AccountLeft(person_id=WHO, account_number=ACCOUNT, left_at=NOON + HOUR)


def viewing(person: Person) -> Person:
    """Return somebody who may see the account, with the contacts and enrolments of another."""
    return replace(person, person_id=VIEWER)


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (withdraw(), "withdrawn"),
        (UNSUBSCRIBE, "unsubscribed"),
        (remove(), "contact_removed"),
        (ContactHarmed(person_id=WHO, contact_id=EMAIL, contact_version=1, reason="complained"), "complained"),
    ],
)
def test_paper_is_the_guarantors_and_comes_back_though_a_viewer_is_still_alerted(heard: Any, reason: str) -> None:
    guarantor = when(enrolled(), heard).state
    decision = when(account_of(guarantor, viewing(enrolled())), statement("S-1", WHO, VIEWER))
    assert paper(decision) == [reason]
    assert [event.key for event in decision.events] == [WHO]
    assert [alert.person_id for alert in decision.state.alerts.values()] == [VIEWER]


def test_a_viewer_who_has_ended_brings_no_paper_while_somebody_else_is_enrolled() -> None:
    viewer = viewing(when(enrolled(), withdraw()).state)
    for account in (account_of(enrolled(), viewer), account_of(Person("P-9"), enrolled(), viewer)):
        decision = when(account, statement("S-1", "P-9", WHO, VIEWER))
        assert paper(decision) == []
        assert [alert.person_id for alert in decision.state.alerts.values()] == [WHO]


def test_a_viewers_mailbox_that_bounces_brings_no_paper_for_an_enrolled_guarantor_then_or_later() -> None:
    viewer = viewing(enrolled())
    account = when(account_of(enrolled(), viewer), statement("S-1", WHO, VIEWER)).state
    theirs, others = (
        {one.alert_id: one for one in account.alerts.values() if (one.person_id == VIEWER) is whose}
        for whose in (True, False)
    )
    bounced = when(account, receipt(replace(account, alerts=theirs), "bounced"))
    assert names(bounced) == ["receipt-heard", "alert-failed"]
    assert paper(when(bounced.state, receipt(replace(account, alerts=others), "bounced"))) == ["hard_bounce"]

    unhealthy = account_of(enrolled(), viewing(when(enrolled(), BOUNCE).state))
    later = when(unhealthy, statement("S-2", WHO, VIEWER))
    assert (paper(later), len(tasks(later))) == ([], 1)


def test_a_viewer_whom_nobody_knows_to_have_been_reached_brings_no_paper_for_an_enrolled_guarantor() -> None:
    account = alerted(None, TEXT)
    (alert,) = account.alerts.values()
    lost = replace(alert, person_id=VIEWER, status="unknown", queries=len(QUERY_WAITS))
    account = replace(account, persons=(WHO, VIEWER), alerts={lost.alert_id: lost})
    assert when(account, answer(account, "unknown")).events == ()


def test_a_viewers_mailbox_that_bounces_brings_paper_while_the_guarantor_is_not_enrolled() -> None:
    for guarantor in (Person(WHO), when(enrolled(), withdraw()).state):
        account = account_of(guarantor, viewing(when(enrolled(), BOUNCE).state))
        assert len(paper(when(account, statement("S-1", WHO, VIEWER)))) == 1


def test_once_nobody_is_enrolled_any_more_whoever_ended_last_says_why() -> None:
    viewer = viewing(when(enrolled(), UNSUBSCRIBE, at=NOON + HOUR).state)
    account = account_of(when(enrolled(), withdraw()).state, viewer)
    assert paper(when(account, statement("S-1", WHO, VIEWER))) == ["unsubscribed"]


def test_who_is_no_longer_on_the_account_for_payments_or_for_us_is_not_alerted_and_paper_comes_back() -> None:
    account = account_of(enrolled(), Person(VIEWER))
    without = when(account, opened(VIEWER)).state
    for decision in (when(account, statement("S-1", VIEWER)), when(without, statement("S-1", WHO, VIEWER))):
        assert (paper(decision), decision.tasks) == (["no_longer_on_account"], ())


def test_paper_comes_back_with_the_guarantor_who_left_though_a_viewer_is_alerted_until_the_next_one_enrols() -> (
    None
):
    gone = when(enrolled(), LEFT).state
    account = account_of(gone, viewing(enrolled()), Person("P-9"))
    account = when(account, opened("P-9", VIEWER)).state
    decision = when(account, statement("S-1", "P-9", VIEWER))
    assert paper(decision) == ["no_longer_on_account"]
    assert [alert.person_id for alert in decision.state.alerts.values()] == [VIEWER]
    account = when(account_of(gone, replace(enrolled(), person_id="P-9")), opened("P-9")).state
    assert paper(when(account, statement("S-1", "P-9"))) == []


def test_a_guarantor_who_became_a_viewer_is_enrolled_no_longer_and_paper_comes_until_the_new_one_enrols() -> None:
    swapped = when(account_of(enrolled(), Person(VIEWER)), opened(VIEWER, WHO, "P-3"))
    (left,) = tasks(swapped)
    assert isinstance(left, AccountLeft)
    assert (left.person_id, left.reason) == (WHO, "no_longer_guarantor")
    former = when(enrolled(), left)
    assert [event.reason for event in events(former) if isinstance(event, PaperlessEnded)] == [left.reason]

    other_viewer = replace(enrolled(), person_id="P-3")
    account = account_of(Person(VIEWER), former.state, other_viewer)
    decision = when(account, statement("S-1", VIEWER, WHO, "P-3"))
    assert paper(decision) == ["no_longer_guarantor"]
    assert [alert.person_id for alert in decision.state.alerts.values()] == ["P-3"]
    account = account_of(viewing(enrolled()), former.state)
    assert paper(when(account, statement("S-2", VIEWER, WHO))) == []


def test_a_viewer_who_became_the_guarantor_stays_enrolled() -> None:
    swapped = when(account_of(Person(WHO), viewing(enrolled())), opened(VIEWER, WHO))
    assert [task.person_id for task in tasks(swapped) if isinstance(task, AccountLeft)] == [WHO]
    decision = when(swapped.state, statement("S-1", WHO, VIEWER))
    assert (paper(decision), len(tasks(decision))) == ([], 1)


def test_a_viewer_who_left_brings_no_paper_while_the_guarantor_is_enrolled() -> None:
    account = account_of(enrolled(), viewing(when(enrolled(), LEFT).state))
    assert paper(when(when(account, opened(WHO)).state, statement())) == []


def test_who_is_named_no_more_has_left_and_what_was_told_before_does_not_count() -> None:
    account = when(Account(ACCOUNT), opened(WHO, VIEWER)).state
    assert (account.guarantor, account.viewers) == (WHO, (VIEWER,))
    decision = when(account, opened("P-9", "P-8"), at=NOON + SECOND)
    assert decision.state.persons == ("P-9", "P-8")
    assert tasks(decision) == [
        AccountLeft(person_id=one, account_number=ACCOUNT, left_at=NOON + SECOND) for one in (WHO, VIEWER)
    ]
    late = when(decision.state, opened(WHO, VIEWER))
    assert (late.state, late.tasks) == (decision.state, ())
