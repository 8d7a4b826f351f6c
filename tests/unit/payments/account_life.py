"""The life of guarantor accounts: what is heard in batches, a processor that knows the truth, and the time.

What is decided is kept in rows. Tasks wait until they are performed, and their answers until they are heard.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from services.payments import store
from services.payments.domain import decide, state_key
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import ChargeAnswer, ChargeAnswered, ChargeMethod, FetchCharge, QueryCharge
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.proofs import Proofs
from services.payments.domain.refund import MakeRefund, QueryRefund, RefundAnswer, RefundAnswered
from services.payments.domain.rules import Rules
from services.payments.domain.webhook import HearProcessor
from services.payments.domain.work import SettleWork
from shared.events.envelope import Command, Data, Message, message_of
from shared.events.payments import (
    CommandRefused,
    RequestRefund,
    SaveMethod,
    SubmitPayment,
)
from shared.events.plans import ChangePlan, StartPlan
from shared.frozen import replace
from shared.messaging.decision import Decision, Event
from shared.messaging.handlers import Change
from tests.unit.payments.account_tables import Tables, run
from tests.unit.payments.story import NOW

Decided = Decision[GuarantorAccount]

RULES: Final = Rules(Proofs("a secret of the tests"), refund_alone_max_minor=5_000)
TIMERS: Final = (InstalmentTimer, GraceTimer)


@dataclass
class Charge:
    """A charge as it really happened: what the processor would tell of it."""

    order: ChargeMethod
    charge_id: str
    declined: str | None = None
    returned: str | None = None
    dispute: Any = None
    lost_minor: int = 0
    refunds: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def refunded_minor(self) -> int:
        return sum(minor for status, minor in self.refunds.values() if status == "succeeded")

    @property
    def kept_minor(self) -> int:
        """What of it is with us."""
        if self.declined is not None:
            return 0
        back_minor = self.order.amount_minor if self.returned else self.lost_minor
        return self.order.amount_minor - self.refunded_minor - back_minor

    def told(self) -> ChargeAnswer:
        if self.declined is not None:
            return ChargeAnswer(result="declined", charge_id=self.charge_id, reason=self.declined)
        stands: Any = "returned" if self.returned else "disputed" if self.dispute else "taken"
        return ChargeAnswer(
            result="succeeded",
            charge_id=self.charge_id,
            reason=self.returned,
            stands=stands,
            dispute_status=self.dispute,
        )


@dataclass
class Waiting:
    """A task, and when it is due."""

    due_at: datetime
    data: Any


class Life:
    """Accounts, all that waits for them, the processor's charges by their keys, and the time."""

    def __init__(self, told: Callable[[Message[Any], Event], None]) -> None:
        self.now = NOW
        self.tables = Tables()
        self.tasks: list[Waiting] = []
        self.answers: list[Data] = []
        self.charges: dict[str, Charge] = {}
        self.on_the_way: list[ChargeMethod] = []
        self.webhooks: list[tuple[str, str, Any]] = []
        self._told = told
        self._sent: set[str] = set()
        self._messages = 0

    def account(self, number: str) -> GuarantorAccount:
        return self.tables.whole(number)

    # What is heard

    def message(
        self, data: Any, actor: str, subject: str | None = None, at: datetime | None = None
    ) -> Message[Any]:
        self._messages += 1
        return message_of(
            data,
            id=f"m-{self._messages}",
            source="test",
            time=at or self.now,
            subject=subject or data.account_number,
            actor=actor,
        )

    def hear(self, *messages: Message[Any]) -> list[Decided]:
        """Decide about messages in one batch, as the kit does, and keep what follows."""
        connection: Any = self.tables
        before: dict[str, Any] = run(store.load(connection, messages, RULES))
        after, decisions = dict(before), []
        whole = {
            number: replace(self.account(number), payment_ids_elsewhere=account.payment_ids_elsewhere)
            for number, account in before.items()
        }
        for message in messages:
            number = state_key(message, RULES.proofs)
            decided: Any = decide(after.get(number), message, self.now, RULES)
            full: Any = decide(whole.get(number), message, self.now, RULES)
            assert (decided.events, decided.tasks) == (full.events, full.tasks), "not all was read that counts"
            self._check(after.get(number) or GuarantorAccount(number), message, decided)
            after[number], whole[number] = decided.state, full.state
            decisions.append(decided)
        changes = [Change(key, before.get(key), state) for key, state in after.items()]
        run(store.save(connection, [one for one in changes if one.before is not one.after]))
        for number, account in after.items():
            self._check_kept(account, self.account(number))
        return decisions

    def ask(self, command: Command, actor: str, subject: str | None = None) -> Event:
        """Return how a command ends."""
        (decided,) = self.hear(self.message(command, actor, subject))
        return next(event for event in decided.events if event.outcome)

    def _check(self, before: GuarantorAccount, message: Message[Any], decided: Decided) -> None:
        """Hold what is true of each decision, and note what follows from it."""
        outcomes = [event for event in decided.events if event.outcome]
        assert len(outcomes) == isinstance(message.data, Command), "each command has one outcome, and nothing else"
        for event in decided.events:
            assert event.data == type(event.data).model_validate_json(
                event.data.model_dump_json(exclude_none=True)
            )
            self._told(message, event)
        tasks = {(task.data.TYPE, task.name): task for task in decided.tasks}
        assert all(tasks[task.data.TYPE, task.name] == task for task in decided.tasks), "two under one name"
        for task in tasks.values():
            again = type(task.data).model_validate_json(task.data.model_dump_json())
            assert again == task.data
            self.tasks.append(Waiting(task.due_at or self.now, again))
            if isinstance(again, ChargeMethod):
                self._check_charge(before, decided.state, again)
        if outcomes and outcomes[0].outcome == "refused":
            assert (len(decided.events), decided.tasks, decided.state) == (1, (), before), "refused is not done"
        elif outcomes:
            self._check_repeats(message, decided.state, outcomes[0])

    def _check_charge(self, before: GuarantorAccount, after: GuarantorAccount, order: ChargeMethod) -> None:
        """Hold that a payment is charged once, and never above what was owed and not reserved."""
        assert order.key not in self._sent, "charged twice"
        self._sent.add(order.key)
        payment, reserved = after.payments[order.payment_id], before.reserved_minor()
        assert (
            order.amount_minor == payment.amount_minor == sum(one.amount_minor for one in payment.allocation) > 0
        )
        paying_minor = 0
        for visit in before.visits.values():
            if not visit.closed:
                paying_minor += min(reserved[visit.number], max(visit.balance_minor, 0))
        assert payment.amount_minor + paying_minor <= before.balance_minor
        for share in payment.allocation:
            visit = before.visits[share.visit_account_number]
            assert not visit.closed
            assert 0 < share.amount_minor <= visit.balance_minor - reserved[visit.number]
            assert share.amount_minor <= visit.due_minor(payment.plan_id)
        if payment.plan_id is not None:
            assert payment.amount_minor <= before.plans[payment.plan_id].left_minor

    def _check_repeats(self, message: Message[Any], after: GuarantorAccount, outcome: Event) -> None:
        """Hold that the same command again changes nothing, and the same id with other content is refused."""
        again: Any = decide(after, self.message(message.data, message.actor, message.subject), self.now, RULES)
        ended = next(event for event in again.events if event.outcome)
        assert (type(ended.data), ended.outcome) == (type(outcome.data), "done")
        if not isinstance(message.data, ChangePlan):
            assert (again.events, again.tasks, again.state) == ((ended,), (), after)
        other: Any
        match message.data:
            case SubmitPayment() | RequestRefund():
                other = message.data.model_copy(update={"amount_minor": message.data.amount_minor + 1})
            case StartPlan():
                other = message.data.model_copy(update={"day_of_month": message.data.day_of_month % 31 + 1})
            case SaveMethod():
                other = message.data.model_copy(
                    update={"method": message.data.method.model_copy(update={"last4": "0000"})}
                )
            case _:
                return
        refused: Any = decide(after, self.message(other, message.actor, message.subject), self.now, RULES)
        (event,) = refused.events
        assert isinstance(event.data, CommandRefused)
        assert (event.data.reason, refused.state, refused.tasks) == ("idempotency_conflict", after, ())

    @staticmethod
    def _check_kept(decided: GuarantorAccount, kept: GuarantorAccount) -> None:
        """Hold that what was decided is what is kept."""
        assert (kept.opened, kept.version, kept.paperless) == (decided.opened, decided.version, decided.paperless)
        for part in ("visits", "payments", "statements", "methods", "plans", "refunds"):
            assert getattr(decided, part).items() <= getattr(kept, part).items(), part
        assert decided.posted <= kept.posted

    # What the processor does

    def perform(self, waiting: Waiting, how: str) -> None:
        """Do a task, or what can go wrong with it; what is answered is heard later."""
        self.tasks.remove(waiting)
        task = waiting.data
        match task:
            case ChargeMethod():
                told: Any = self._charge(task, how)
                self.answers.append(_of_charge(task, told, 0))
            case QueryCharge() | FetchCharge():
                known = self.charges.get(task.key)
                told = known.told() if known else ChargeAnswer(result="not_received")
                told = ChargeAnswer(result="unknown") if how == "unknown" else told
                self.answers.append(_of_charge(task, told, getattr(task, "query", None)))
            case MakeRefund():
                self.answers.append(_of_refund(task, self._refund(task, how), 0))
            case QueryRefund():
                made = next(
                    (one.refunds[task.key] for one in self.charges.values() if task.key in one.refunds), None
                )
                status: Any = "unknown" if how == "unknown" else made[0] if made else "not_received"
                self.answers.append(_of_refund(task, RefundAnswer(result=status), task.query))

    def _charge(self, order: ChargeMethod, how: str) -> ChargeAnswer:
        if self.now >= order.send_before or how == "lost":
            return ChargeAnswer(result="unknown")
        if how == "slow":
            self.on_the_way.append(order)
            return ChargeAnswer(result="unknown")
        charge = self.arrive(order, how if how in ("insufficient_funds", "R02", "card_declined") else None)
        return ChargeAnswer(result="unknown") if how == "unknown" else charge.told()

    def arrive(self, order: ChargeMethod, declined: str | None = None) -> Charge:
        """Let a charge reach the processor."""
        charge = self.charges[order.key] = Charge(order, f"ch-{len(self.charges)}", declined)
        self.announce(charge, "payment")
        return charge

    def _refund(self, order: MakeRefund, how: str) -> RefundAnswer:
        charge = next(one for one in self.charges.values() if one.charge_id == order.charge_id)
        if self.now >= order.send_before or how in ("lost", "slow"):
            return RefundAnswer(result="unknown")
        left_minor = charge.order.amount_minor - charge.refunded_minor
        if charge.returned or charge.dispute not in (None, "won") or order.amount_minor > left_minor:
            return RefundAnswer(result="failed", reason="not_refundable")
        status: Any = "failed" if how in ("insufficient_funds", "R02") else "succeeded"
        charge.refunds[order.key] = (status, order.amount_minor)
        self.announce(charge, "refund")
        return RefundAnswer(result="unknown" if how == "unknown" else status)

    def knows_refunds(self, charge: Charge) -> bool:
        """Tell whether all that was refunded of a charge was heard: of a dispute, one cannot know it later."""
        refunds = self.account(charge.order.account_number).refunds.values()
        ours = [one for one in refunds if one.payment_id == charge.order.payment_id]
        made_minor = sum(one.amount_minor for one in ours if one.status == "succeeded")
        return made_minor == charge.refunded_minor and not any(
            one.status in ("processing", "unknown") for one in ours
        )

    def truth(self, work: dict[str, Any]) -> str | None:
        """Return what an honest person does about what nobody could tell."""
        about = json.loads(work["about"])
        if work["kind"] == "payment-unknown":
            key = self.account(work["key"]).payments[about["payment_id"]].processor_key
            return "taken" if key in self.charges and self.charges[key].declined is None else "not-taken"
        if work["kind"] == "refund-unknown":
            key = self.account(work["key"]).refunds[about["refund_id"]].processor_key
            made = any(one.refunds.get(key, ("",))[0] == "succeeded" for one in self.charges.values())
            return "made" if made else "not-made"
        return None

    def announce(self, charge: Charge, about: str) -> None:
        """Have the processor tell by webhook that something became of a charge."""
        self.webhooks.append((f"evt-{len(self.webhooks)}", charge.order.key, about))

    def hear_webhook(self, event_id: str, key: str, about: Any) -> None:
        order = self.charges[key].order
        told = HearProcessor(
            event_id=event_id, account_number=order.account_number, payment_id=order.payment_id, about=about
        )
        self.ask(told, "service:payments")

    def hear_answers(self) -> None:
        while self.answers:
            self.hear_answer()

    def hear_answer(self, which: int = 0) -> None:
        answer = self.answers.pop(which % len(self.answers))
        self.hear(self.message(answer, "service:payments"))

    # The time

    def due(self, *, timers: bool) -> list[Waiting]:
        ripe = (one for one in self.tasks if one.due_at <= self.now and isinstance(one.data, TIMERS) is timers)
        return sorted(ripe, key=lambda one: one.due_at)

    def work_off(self, how: str = "done") -> None:
        """Perform what is due, and hear all answers; what is asked again meanwhile waits for its time."""
        while due := self.due(timers=False):
            for waiting in due:
                self.perform(waiting, how)
            self.hear_answers()

    def sleep(self, time: timedelta) -> None:
        """Let time go by while nothing is done; charges that were on their way arrive."""
        self.now += time
        for order in [one for one in self.on_the_way if one.send_before <= self.now]:
            self.on_the_way.remove(order)
            self.arrive(order)

    def wait(self, time: timedelta) -> None:
        """Let time go by; timers come at their time."""
        before, until = self.now, self.now + time
        self.sleep(time)
        self.now = before
        while ripe := [one for one in self.tasks if isinstance(one.data, TIMERS) and one.due_at <= until]:
            first = min(ripe, key=lambda one: one.due_at)
            self.now = max(self.now, first.due_at)
            self.fire(first)
        self.now = until

    def fire(self, timer: Waiting) -> None:
        self.tasks.remove(timer)
        self.hear(self.message(timer.data, "service:payments"))


def _of_charge(task: Any, told: ChargeAnswer, query: int | None) -> ChargeAnswered:
    named = {"payment_id": task.payment_id, "account_number": task.account_number, "query": query}
    return ChargeAnswered(**named, **dict(told))


def _of_refund(task: Any, told: RefundAnswer, query: int | None) -> RefundAnswered:
    named = {"refund_id": task.refund_id, "account_number": task.account_number, "query": query}
    return RefundAnswered(**named, **dict(told))


def settling(work_id: str, key: str, action: str) -> SettleWork:
    """Return how staff settle a piece of work."""
    return SettleWork(work_id=work_id, account_number=key, action=action, note="By the bank's list")
