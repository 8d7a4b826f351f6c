"""What the billing host says, in any order and any number of times."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given as examples
from hypothesis import strategies as st

from services.payments.domain.account import GuarantorAccount
from shared.events.billing import Guarantor
from shared.events.envelope import Data
from shared.events.payments import BalanceChanged, StatementAvailable, WorkRaised, WorkSettled
from tests.unit.payments.plan_story import due
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    SECOND,
    adjustment,
    charge,
    charge_tasks,
    closed,
    events,
    given,
    given_at,
    opened,
    start_plan,
    statement,
    visit,
    when,
)


def balance(amount_minor: int, version: int) -> BalanceChanged:
    return BalanceChanged(account_number=NUMBER, balance_minor=amount_minor, currency="USD", version=version)


def test_a_charge_raises_the_balance_and_says_so() -> None:
    decision = when(given(opened(), visit()), charge(10_000))

    assert events(decision) == [balance(10_000, 1)]
    assert decision.state.visits["V-1"].balance_minor == 10_000


def test_nothing_is_said_of_a_balance_until_the_account_is_opened() -> None:
    before = when(None, charge(10_000))
    assert events(before) == []

    assert events(when(before.state, opened())) == [balance(10_000, 1)]


def test_an_account_that_owes_nothing_opens_without_a_word() -> None:
    assert events(when(None, opened())) == []


def test_the_version_grows_with_each_change_of_the_balance() -> None:
    account = given(opened(), charge(10_000))

    assert events(when(account, adjustment(-2_500))) == [balance(7_500, 2)]


def test_a_negative_adjustment_lowers_what_is_owed() -> None:
    account = given(
        opened(),
        charge(10_000),
        adjustment(-6_000, adjustment_id="A-1", kind="insurance-payment"),
        adjustment(-1_000, adjustment_id="A-2", kind="contractual"),
        adjustment(500, adjustment_id="A-3", kind="correction"),
    )

    found = account.visits["V-1"]
    assert (found.charges_minor, found.insurance_paid_minor, found.adjustments_minor) == (10_000, 6_000, -500)
    assert account.balance_minor == 3_500


def test_a_charge_heard_of_in_another_message_changes_nothing() -> None:
    account = given(opened(), charge(10_000))

    decision = when(account, charge(10_000), at=NOW + SECOND)

    assert decision.state is account
    assert events(decision) == []


def test_a_charge_and_an_adjustment_may_have_the_same_id() -> None:
    account = given(opened(), charge(10_000, charge_id="7"), adjustment(-1_000, adjustment_id="7"))

    assert account.balance_minor == 9_000


def test_a_closed_visit_is_no_part_of_the_balance() -> None:
    account = given(opened(), charge(10_000, "V-1"), charge(2_000, "V-2"))

    decision = when(account, closed("V-1"))

    assert events(decision) == [balance(2_000, 3)]
    assert when(decision.state, closed("V-1")).state is decision.state


def test_a_visit_may_be_closed_before_it_is_heard_of() -> None:
    account = given(opened(), closed("V-1"), visit("V-1"), charge(10_000, "V-1"))

    assert account.balance_minor == 0
    assert account.visits["V-1"].balance_minor == 10_000


def test_what_was_told_last_about_an_account_counts() -> None:
    ben = Guarantor(person_id="P-9", first_name="Ben", last_name="Ode")
    newer, older = opened(guarantor=ben, viewers=()), opened()

    for order in ([(0, older), (1, newer)], [(1, newer), (0, older)]):
        found = given_at(order).opened
        assert found is not None
        assert found.persons() == ("P-9",)


def test_what_was_told_last_about_a_visit_counts() -> None:
    newer, older = visit(description="Surgery"), visit(description="Office visit")

    for order in ([(0, older), (1, newer)], [(1, newer), (0, older)]):
        found = given_at(order).visits["V-1"].opened
        assert found is not None
        assert found.description == "Surgery"


def test_the_currency_of_an_account_stays_once_anything_was_posted_in_it() -> None:
    account = when(given(opened(), visit("V-2"), charge(13_000)), start_plan()).state

    decision = when(account, opened(currency="EUR", affiliate="south"), actor="host:billing")

    found = decision.state.opened
    assert found is not None
    assert (found.currency, found.affiliate) == ("USD", "south")
    assert [type(event) for event in events(decision)] == [WorkRaised]
    assert dict(decision.state.raised[0].details) == {"Kept in": "USD", "Told": "EUR"}
    assert decision.state.raised[0].about.account_number == NUMBER
    assert [asked.currency for asked in charge_tasks(due(decision.state))] == ["USD"]
    late = when(account, opened(currency="EUR"), at=NOW - timedelta(days=60))
    assert (late.state, late.events) == (account, ())
    reversed_since = given(opened(), charge(100, charge_id="C-1"), charge(-100, charge_id="C-2"))
    assert [type(event) for event in events(when(reversed_since, opened(currency="EUR")))] == [WorkRaised]
    nothing_yet = when(given(opened(), visit()), opened(currency="EUR"))
    assert nothing_yet.state.opened
    assert (nothing_yet.state.opened.currency, events(nothing_yet)) == ("EUR", [])


def test_the_question_of_an_accounts_currency_is_over_once_the_host_tells_its_own_again() -> None:
    right, wrong = given(opened(), charge(13_000)), opened(currency="EUR")
    asked = when(right, wrong).state

    over = when(asked, opened(), at=NOW + SECOND)

    (told,) = events(over)
    assert isinstance(told, WorkSettled)
    assert told.work_id == asked.raised[0].work_id
    assert events(when(right, opened())) == []
    assert events(when(over.state, opened(), at=NOW + 2 * SECOND)) == []
    again = when(over.state, wrong, at=NOW + 2 * SECOND)
    assert [type(event) for event in events(again)] == [WorkRaised]
    assert again.state.settled == ()
    assert events(when(asked, opened(), at=NOW - SECOND)) == []


def test_a_statement_is_told_to_the_guarantor_and_the_viewers_once() -> None:
    account = given(opened(viewers=("P-2", "P-1", "P-3")))

    decision = when(account, statement("S-1"))

    assert events(decision) == [
        StatementAvailable(
            account_number=NUMBER,
            statement_id="S-1",
            person_ids=("P-1", "P-2", "P-3"),
            issued_on=date(2025, 2, 1),
            due_on=date(2025, 3, 1),
        )
    ]
    assert events(when(decision.state, statement("S-1"), at=NOW + SECOND)) == []


def test_a_statement_shows_for_good_what_each_open_visit_owed_when_it_was_told() -> None:
    visits = (visit("V-1"), visit("V-2", date(2025, 1, 5), description="Surgery"), visit("V-4"), visit("V-5"))
    charges = (charge(100, "V-2"), charge(200, "V-1"), charge(300, "V-3"), charge(400, "V-4"))

    told = when(given(opened(), *visits, *charges, closed("V-4")), statement()).state

    shown = told.statements["S-1"]
    assert shown.addressee == "Ada Reyes"
    assert [(one.visit_account_number, one.visit_date, one.description) for one in shown.visits] == [
        ("V-2", date(2025, 1, 5), "Surgery"),
        ("V-1", date(2025, 1, 10), "Office visit"),
        ("V-3", None, ""),
    ]
    assert [one.balance_minor for one in shown.visits] == [100, 200, 300]
    assert when(told, adjustment(-50)).state.statements["S-1"] == shown


def test_a_statement_heard_of_before_its_account_is_told_when_that_is_opened() -> None:
    account = given(statement("S-1"), statement("S-2"))

    decision = when(account, opened())

    told = [event.statement_id for event in events(decision) if isinstance(event, StatementAvailable)]
    assert told == ["S-1", "S-2"]
    assert events(when(decision.state, opened(), at=NOW + timedelta(hours=1))) == []


def test_events_carry_the_account_as_their_key() -> None:
    decision = when(given(opened()), charge(10_000))

    assert [event.key for event in decision.events] == [NUMBER]


FACTS: list[Data] = [
    opened(),
    opened(viewers=("P-2", "P-3"), affiliate="south"),
    visit("V-1"),
    visit("V-1", description="Surgery"),
    visit("V-2", date(2025, 2, 2)),
    charge(10_000, "V-1", "C-1"),
    charge(2_500, "V-1", "C-2"),
    charge(4_000, "V-2", "C-3"),
    charge(700, "V-3", "C-4"),
    adjustment(-6_000, "V-1", "A-1"),
    adjustment(-100, "V-2", "A-2", "write-off"),
    adjustment(300, "V-2", "A-3", "correction"),
    closed("V-3"),
    statement("S-1"),
    statement("S-2"),
]


def essence(account: GuarantorAccount) -> GuarantorAccount:
    """Return the account without what rightly depends on the order: what was told, and how often."""
    statements = {key: replace(one, addressee="", visits=()) for key, one in account.statements.items()}
    postings = tuple(sorted(account.postings, key=lambda posting: posting.key))
    return replace(account, version=0, postings=postings, statements=statements)


@examples(st.permutations(list(enumerate(FACTS))), st.lists(st.integers(0, len(FACTS) - 1)))
def test_billing_facts_in_any_order_and_repeated_end_in_the_same_state(
    order: list[tuple[int, Data]], repeated: list[int]
) -> None:
    heard = given_at([*order, *(order[place] for place in repeated)])

    assert essence(heard) == essence(given(*FACTS))
    assert heard.balance_minor == 10_000 + 2_500 - 6_000 + 4_000 - 100 + 300


amounts = st.integers(-(10**6), 10**6)
moves = st.lists(st.tuples(st.sampled_from(["V-1", "V-2"]), amounts, st.booleans()), max_size=30)


@examples(moves)
def test_every_posting_balances_and_a_visit_owes_the_sum_of_its_lines(
    told: list[tuple[str, int, bool]],
) -> None:
    kinds = ("insurance-payment", "contractual", "write-off", "correction")
    account = given(
        opened(),
        *(
            charge(amount, number, str(place))
            if is_charge
            else adjustment(amount, number, str(place), kinds[place % 4])
            for place, (number, amount, is_charge) in enumerate(told)
        ),
    )

    for posting in account.postings:
        assert len(posting.lines) >= 2
        assert sum(amount for _, amount in posting.lines) == 0
    for found in account.visits.values():
        lines = (line for posting in account.postings for line in posting.lines)
        due = sum(amount for name, amount in lines if name == f"receivable:{found.number}")
        assert found.balance_minor == due
