"""What payers show: reviews of a payment, guests' passes, and saved methods."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.payments.domain import decide, proofs, state_key
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.payer import method_digest
from services.payments.domain.proofs import REVIEW_LIFETIME, GuestPass, Proofs, Review
from services.payments.domain.records import GuestTry
from services.payments.guests import matching
from services.payments.reads import Bill
from shared.events.payments import (
    BalanceChanged,
    MethodRemoved,
    MethodSaved,
    PaymentAccepted,
    PaymentFailed,
    PaymentSucceeded,
    RemoveMethod,
    SaveMethod,
    SubmitPayment,
)
from shared.events.plans import PlanChanged
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Decision
from tests.unit.payments.story import (
    CARD,
    NOW,
    NUMBER,
    RULES,
    answer,
    charge,
    charge_tasks,
    closed,
    events,
    message,
    outcome,
    owing,
    shares,
    start_plan,
    submit,
    when,
)

SIGN = RULES.proofs.sign


def review(account: GuarantorAccount, amount_minor: int = 10_000, **changes: Any) -> str:
    asked = submit(amount_minor)
    told: dict[str, Any] = {
        "review_id": "review-1",
        "account_number": NUMBER,
        "version": account.version,
        "asked": proofs.asked(amount_minor, "USD", asked.method, None),
        "spread": proofs.spread(shares(V1=amount_minor), None),
        "expires_at": (NOW + REVIEW_LIFETIME).timestamp(),
    }
    return SIGN(Review(**told | changes))


def guest_token(**changes: Any) -> str:
    told: dict[str, Any] = {
        "account_number": NUMBER,
        "typed": NUMBER,
        "subject": "guest-1",
        "visit_number": None,
        "expires_at": (NOW + timedelta(minutes=30)).timestamp(),
    }
    return SIGN(GuestPass(**told | changes))


def as_guest(account: GuarantorAccount, command: SubmitPayment, subject: str = "guest-1") -> Decision[Any]:
    sent = message(command, actor="guest").model_copy(update={"subject": subject})
    return decide(account, sent, NOW, RULES)


def test_a_payment_that_was_reviewed_is_accepted() -> None:
    account = owing(V1=15_000)

    assert outcome(when(account, submit(10_000, review_token=review(account)))) == ("done", None)
    other = submit(10_000, review_token=review(account), method=CARD.model_copy(update={"token": "tok_other"}))
    assert outcome(when(account, other)) == ("refused", "review_stale")


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 99},
        {"account_number": "G-2"},
        {"asked": "another amount or method"},
        {"spread": "other visits"},
    ],
)
def test_a_review_of_something_else_is_stale(changes: dict[str, Any]) -> None:
    account = owing(V1=15_000)

    assert outcome(when(account, submit(10_000, review_token=review(account, **changes)))) == (
        "refused",
        "review_stale",
    )


def test_a_review_of_one_visit_is_none_of_another() -> None:
    account = owing(V1=10_000, V2=10_000)
    token = review(account)

    assert outcome(when(account, submit(10_000, review_token=token))) == ("done", None)
    other = submit(10_000, review_token=token, allocation=shares(V2=10_000))
    assert outcome(when(account, other)) == ("refused", "review_stale")


def test_a_review_of_one_saved_method_is_none_of_another() -> None:
    account = owing(V1=15_000)
    for method_id in ("m-1", "m-2"):
        account = when(account, SaveMethod(account_number=NUMBER, method_id=method_id, method=CARD)).state
    token = review(account, asked=proofs.asked(10_000, "USD", None, "m-1"))
    reviewed = submit(10_000, method=None, method_id="m-1", review_token=token)

    assert outcome(when(account, reviewed)) == ("done", None)
    other = reviewed.model_copy(update={"method_id": "m-2"})
    assert outcome(when(account, other)) == ("refused", "review_stale")


def test_a_review_goes_stale_with_the_balance_and_is_none_of_anybody_else() -> None:
    account = owing(V1=15_000)
    token = review(account)
    charged = when(account, charge(1, "V-1", "C-9"), actor="host:billing").state
    foreign = Proofs("another secret").sign(GuestPass("a", "b", "c", None, 1.0))

    assert outcome(when(charged, submit(10_000, review_token=token))) == ("refused", "review_stale")
    for wrong in (token[:-2], foreign, guest_token(), "x"):
        assert outcome(when(account, submit(10_000, review_token=wrong))) == ("refused", "review_stale")


def test_a_review_is_used_once_and_expires_but_a_repeat_is_the_payment_itself() -> None:
    account = owing(V1=25_000)
    command = submit(10_000, review_token=review(account))
    paying = when(account, command).state

    assert outcome(when(account, command, at=NOW + REVIEW_LIFETIME)) == ("refused", "review_expired")
    assert outcome(when(paying, command, at=NOW + REVIEW_LIFETIME)) == ("done", None)
    twice = command.model_copy(update={"payment_id": "pay-2"})
    assert outcome(when(paying, twice)) == ("refused", "review_expired")


def test_a_guest_pays_the_bill_that_they_looked_up() -> None:
    decision = as_guest(owing(V1=15_000), submit(15_000, guest_token=guest_token()))

    (accepted,) = decision.events
    assert isinstance(accepted.data, PaymentAccepted)
    assert (accepted.outcome, accepted.key) == ("done", NUMBER)


def test_a_guest_of_one_visit_pays_no_other() -> None:
    account = owing(V1=5_000, V2=5_000)
    token = guest_token(typed="V-2", visit_number="V-2")
    asked = submit(3_000, account_number="V-2", guest_token=token)

    assert as_guest(account, asked).state.payments["pay-1"].allocation == shares(V2=3_000)
    assert state_key(message(asked, actor="guest"), RULES.proofs) == NUMBER
    assert state_key(message(asked, actor="patient:P-1"), RULES.proofs) == "V-2"
    other = asked.model_copy(update={"allocation": shares(V1=3_000)})
    both = asked.model_copy(update={"allocation": shares(V1=1_000, V2=2_000)})
    assert outcome(as_guest(account, both)) == ("refused", "not_found")
    refused = as_guest(account, other)
    assert (outcome(refused), refused.events[0].key) == (("refused", "not_found"), NUMBER)
    whole = asked.model_copy(update={"amount_minor": 5_000})
    assert outcome(as_guest(account, whole)) == ("done", None)
    more = asked.model_copy(update={"amount_minor": 5_001})
    assert outcome(as_guest(account, more)) == ("refused", "amount_exceeds_balance")
    chosen = more.model_copy(update={"allocation": shares(V2=5_001)})
    assert outcome(as_guest(account, chosen)) == ("refused", "allocation_mismatch")
    in_a_plan = when(account, start_plan(visit_account_numbers=("V-2",))).state
    assert outcome(as_guest(in_a_plan, asked)) == ("refused", "plan_exists")
    assert outcome(as_guest(when(account, closed("V-2")).state, more)) == ("refused", "account_closed")


def test_a_guest_cannot_try_out_many_cards_by_one_lookup() -> None:
    account, token = owing(V1=15_000), guest_token()
    for count in range(RULES.guest_failures_max):
        method = Method(kind="card", token=f"tok_{count}", last4="4242")
        account = as_guest(account, submit(100, f"pay-{count}", method=method, guest_token=token)).state

    refused = as_guest(account, submit(100, "pay-more", guest_token=token))

    assert outcome(refused) == ("refused", "too_many_attempts")
    assert outcome(
        as_guest(account, submit(100, "pay-more", guest_token=guest_token(subject="guest-2")), "guest-2")
    ) == (
        "done",
        None,
    )


def test_a_guest_cannot_go_on_with_a_card_that_failed_too_often_wherever() -> None:
    def after(*, at: datetime, failed: bool = True) -> Decision[Any]:
        tried = GuestTry("guest-of-another-bill", method_digest(CARD.token), at, failed, "G-2")
        account = replace(owing(V1=15_000), guest_tries=(tried,) * RULES.guest_failures_max)
        return as_guest(account, submit(100, guest_token=guest_token()))

    assert outcome(after(at=NOW)) == ("refused", "too_many_attempts")
    assert outcome(after(at=NOW, failed=False)) == ("done", None)
    assert outcome(after(at=NOW - timedelta(days=1))) == ("done", None)
    tried = GuestTry("guest-1", method_digest(CARD.token), NOW, failed=True, account_number=NUMBER)
    account = replace(owing(V1=15_000), guest_tries=(tried,) * RULES.guest_failures_max)
    assert outcome(when(account, submit(100))) == ("done", None)
    elsewhere = GuestTry(
        "guest-of-another-bill", method_digest("tok_other"), NOW, failed=True, account_number="G-2"
    )
    account = replace(account, guest_tries=(elsewhere,) * RULES.guest_failures_max)
    assert outcome(as_guest(account, submit(100, guest_token=guest_token()))) == ("done", None)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Núñez-O'Hara", "nunez o hara"),
        ("Łukasik", "Lukasik"),
        ("Soren", "Søren"),
        ("Đorđević", "Dordevic"),
        ("Strauß", "STRAUSS"),
        ("Æbelø", "Aebelo"),
        ("Þórðardóttir", "Thordardottir"),
        ("I\u015f\u0131k", "ISIK"),
    ],
)
def test_names_are_the_same_without_case_accents_spaces_and_punctuation(name: str, typed: str) -> None:
    bill = Bill("G-1", None, name)

    assert matching([bill], typed) == bill
    assert matching([bill], typed[:-1]) is None


@pytest.mark.parametrize("name", [".", "", "-'"])
def test_a_name_without_letters_is_nobodys(name: str) -> None:
    assert matching([Bill("G-1", None, name)], name) is None
    assert matching([Bill("G-1", None, name)], "!") is None


@pytest.mark.parametrize("plan_id", ["plan-1", "never-heard-of"])
def test_a_guest_pays_no_plan(plan_id: str) -> None:
    account = when(owing(V1=15_000, V2=5_000), start_plan(visit_account_numbers=("V-1",))).state

    paying = as_guest(account, submit(5_000, plan_id=plan_id, guest_token=guest_token()))

    assert outcome(paying) == ("refused", "not_found")
    assert paying.state is account


@pytest.mark.parametrize(
    ("token", "subject", "reason"),
    [
        (None, "guest-1", "not_found"),
        ("x", "guest-1", "not_found"),
        (guest_token(typed="G-2"), "guest-1", "not_found"),
        (guest_token(), "guest-2", "not_found"),
        (guest_token(expires_at=NOW.timestamp()), "guest-1", "guest_expired"),
    ],
)
def test_a_guest_without_a_good_pass_is_refused(token: str | None, subject: str, reason: str) -> None:
    asked = submit(100, guest_token=token)

    assert outcome(as_guest(owing(V1=15_000), asked, subject)) == ("refused", reason)


def test_a_saved_method_pays_for_the_person_who_saved_it_alone() -> None:
    card = Method(kind="card", token="tok_saved", last4="1881")
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=card)
    saved = when(owing(V1=15_000), save)

    assert outcome(saved) == ("done", None)
    assert "tok_saved" not in str(events(saved))
    with_saved = submit(100, method=None, method_id="m-1")
    (asked,) = charge_tasks(when(saved.state, with_saved))
    assert asked.token == "tok_saved"
    assert outcome(when(saved.state, with_saved, actor="proxy:P-2")) == ("refused", "not_found")
    assert outcome(when(saved.state, submit(100, method=None))) == ("refused", "method_missing")
    assert outcome(when(saved.state, save)) == ("done", None)
    other = save.model_copy(update={"method": card.model_copy(update={"last4": "0000"})})
    assert outcome(when(saved.state, other)) == ("refused", "idempotency_conflict")


def test_a_method_that_is_removed_loses_its_token_and_its_plan_asks_instead() -> None:
    card = Method(kind="card", token="tok_saved", last4="1881")
    account = when(owing(V1=15_000), SaveMethod(account_number=NUMBER, method_id="m-1", method=card)).state
    account = when(account, start_plan(method=None, method_id="m-1")).state
    remove = RemoveMethod(account_number=NUMBER, method_id="m-1")

    decision = when(account, remove)

    assert decision.state.methods["m-1"].token is None
    assert [type(event) for event in events(decision)][1:] == [PlanChanged]
    assert not decision.state.plans["plan-1"].autopay
    assert outcome(when(decision.state, remove)) == ("done", None)
    assert outcome(when(account, remove, actor="proxy:P-2")) == ("refused", "not_found")


def test_the_id_of_a_method_that_was_removed_names_no_other() -> None:
    card = Method(kind="card", token="tok_saved", last4="1881")
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=card)
    account = when(owing(V1=15_000), save).state
    account = when(account, RemoveMethod(account_number=NUMBER, method_id="m-1")).state
    of_before = account.with_method(replace(account.methods["m-1"], token_digest=None))

    for removed, again in ((account, card.model_copy(update={"token": "tok_other"})), (of_before, card)):
        decision = when(removed, save.model_copy(update={"method": again}))
        assert outcome(decision) == ("refused", "idempotency_conflict")
        assert decision.state is removed
    assert outcome(when(account, save, actor="proxy:P-2")) == ("refused", "idempotency_conflict")


def test_a_method_that_is_saved_again_after_it_was_removed_stays_removed() -> None:
    card = Method(kind="card", token="tok_saved", last4="1881")
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=card)
    remove = RemoveMethod(account_number=NUMBER, method_id="m-1")
    account = when(when(owing(V1=15_000), save).state, remove).state

    again = when(account, save)

    assert (outcome(again), again.state) == (("done", None), account)
    assert events(again) == [MethodRemoved(account_number=NUMBER, method_id="m-1")]
    assert "tok_saved" not in str(account)


def test_a_method_is_saved_with_a_payment_when_that_is_asked_and_the_money_was_taken() -> None:
    paying = when(owing(V1=15_000), submit(100, save_method=True))
    with_saved = submit(100, "pay-2", method=None, method_id="pay-1")

    assert [type(event) for event in events(paying)] == [PaymentAccepted]
    assert outcome(when(paying.state, with_saved)) == ("refused", "not_found")
    paid = when(paying.state, answer("succeeded"))
    assert [type(event) for event in events(paid)] == [PaymentSucceeded, BalanceChanged, MethodSaved]
    assert outcome(when(paid.state, with_saved)) == ("done", None)


def test_a_payment_saves_nothing_for_staff_or_of_a_method_that_is_saved_already() -> None:
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=CARD)
    account = when(owing(V1=15_000), save).state

    by_staff = when(account, submit(100, save_method=True), actor="staff:ann")
    with_saved = when(account, submit(100, method=None, method_id="m-1", save_method=True))

    for paying in (by_staff, with_saved):
        assert outcome(paying) == ("done", None)
        assert paying.state.methods == account.methods


def test_a_method_whose_payment_was_declined_is_not_saved() -> None:
    paying = when(owing(V1=15_000), submit(100, save_method=True)).state

    declined = when(paying, answer("declined"))

    assert [type(event) for event in events(declined)] == [PaymentFailed]
    assert declined.state.methods["pay-1"].token is None


def test_a_method_that_is_removed_while_its_payment_is_under_way_is_not_saved() -> None:
    paying = when(owing(V1=15_000), submit(100, save_method=True)).state
    removed = when(paying, RemoveMethod(account_number=NUMBER, method_id="pay-1")).state

    assert [type(event) for event in events(when(removed, answer("succeeded")))] == [
        PaymentSucceeded,
        BalanceChanged,
    ]


def test_a_payment_that_saves_its_method_does_not_take_the_id_of_another() -> None:
    save = SaveMethod(account_number=NUMBER, method_id="pay-1", method=CARD)
    account = when(owing(V1=15_000), save).state

    assert outcome(when(account, submit(100, save_method=True))) == ("refused", "idempotency_conflict")
    assert outcome(when(account, submit(100))) == ("done", None)
