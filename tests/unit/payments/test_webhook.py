"""What the processor tells by webhooks: each event is taken up once, and asked about."""

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import FetchCharge
from services.payments.domain.refund import QueryRefund
from services.payments.domain.webhook import HeardOf, HearProcessor
from shared.events.payments import DeclineRefund, RequestRefund, WebhookTaken
from shared.messaging.decision import Decision
from tests.unit.payments.story import NUMBER, answer, charge, events, outcome, owing, submit, when

TAKEN = WebhookTaken(event_id="evt-1", account_number=NUMBER, payment_id="pay-1")


def paid() -> GuarantorAccount:
    account = when(owing(V1=90_000), submit(90_000)).state
    return when(account, answer("succeeded", charge_id="ch-1")).state


def with_another_payment(account: GuarantorAccount) -> GuarantorAccount:
    account = when(account, charge(500, "V-2"), actor="host:billing").state
    return when(account, submit(500, "pay-2")).state


def hear(
    account: GuarantorAccount, about: HeardOf, event_id: str = "evt-1", payment_id: str = "pay-1"
) -> Decision[GuarantorAccount]:
    said = HearProcessor(event_id=event_id, account_number=NUMBER, payment_id=payment_id, about=about)
    return when(account, said, actor="service:payments")


def test_what_became_of_a_charge_is_asked_of_the_processor_and_not_believed() -> None:
    account = paid()

    heard = hear(account, "payment")

    payment = account.payments["pay-1"]
    assert (outcome(heard), events(heard)) == (("done", None), [TAKEN])
    (task,) = heard.tasks
    assert task.data == FetchCharge(payment_id="pay-1", account_number=NUMBER, key=payment.processor_key)
    assert task.correlationid == payment.correlationid
    assert heard.state.payments["pay-1"] == payment


def test_an_event_that_comes_again_is_taken_up_again_and_asks_nothing() -> None:
    heard = hear(paid(), "payment").state

    again = hear(heard, "payment")

    assert (outcome(again), events(again), again.tasks) == (("done", None), [TAKEN], ())
    assert (again.state, again.state.taken) == (heard, ("evt-1",))
    other = hear(heard, "payment", "evt-2")
    assert (len(other.tasks), other.state.taken) == (1, ("evt-1", "evt-2"))


def test_an_event_about_a_payment_that_nobody_made_is_refused() -> None:
    assert outcome(hear(paid(), "payment", payment_id="pay-9")) == ("refused", "not_found")


def test_what_became_of_a_refund_is_asked_of_those_that_the_processor_has() -> None:
    account = paid()
    for refund_id, amount_minor in (("made", 100), ("waits", 50_001), ("declined", 20_000)):
        refund = RequestRefund(
            refund_id=refund_id,
            account_number=NUMBER,
            payment_id="pay-1",
            amount_minor=amount_minor,
            currency="USD",
            reason="Charged twice",
        )
        account = when(account, refund, actor="staff:ann").state
    decline = DeclineRefund(refund_id="declined", account_number=NUMBER)
    account = when(account, decline, actor="staff:bob").state

    assert hear(with_another_payment(account), "refund", payment_id="pay-2").tasks == ()
    heard = hear(account, "refund")

    (task,) = heard.tasks
    made = account.refunds["made"]
    assert task.data == QueryRefund(refund_id="made", account_number=NUMBER, key=made.processor_key)
    assert task.correlationid == made.correlationid
