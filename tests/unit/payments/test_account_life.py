"""Whatever two accounts go through, what is owed, told, kept and charged agree, and with the processor's truth.

More examples: `python -m pytest tests/unit/payments/test_account_life.py --hypothesis-profile=long`.
"""

import sys
from datetime import date, timedelta
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import payable_minor
from services.payments.domain.proofs import GuestPass
from services.payments.domain.records import Plan
from services.payments.domain.schedule import NOTICE, banking_day
from services.payments.domain.settlement import CompareLines
from services.payments.domain.work import ACTIONS
from shared.events.billing import Guarantor, VisitAccountClosed
from shared.events.envelope import Command, Message
from shared.events.payments import (
    ApproveRefund,
    DeclineRefund,
    RemoveMethod,
    RequestRefund,
    SaveMethod,
)
from shared.events.plans import Authorization, CancelPlan, ChangePlan, PausePlan, ResumePlan, StartPlan
from shared.events.vocabulary import Method
from shared.messaging.decision import Event
from tests.unit.payments.account_checks import Told, check, check_waits, cleared
from tests.unit.payments.account_life import RULES, Charge, Life, Waiting, settling
from tests.unit.payments.plan_story import BANK
from tests.unit.payments.story import (
    CARD,
    adjustment,
    charge,
    closed,
    opened,
    start_plan,
    statement,
    submit,
    visit,
)

PAYERS: Final = {"G-1": "patient:P-1", "G-2": "patient:P-8"}
STAFF: Final = ("staff:ann", "staff:bob")
METHODS: Final = (CARD, BANK, Method(kind="card", token="tok_other", last4="1111"))

numbers = st.sampled_from(("G-1", "G-1", "G-1", "G-2"))
which = st.integers(0, 30)
minors = st.integers(1, 20_000)
parts = st.sampled_from((1, 1, 2, 3))
times = st.sampled_from([timedelta(hours=hours) for hours in (1, 6, 24, 25, 72, 264, 744)])
soon = st.sampled_from((None, "done", "done", "unknown", "insufficient_funds"))
ways = st.sampled_from(
    ("done", "done", "done", "unknown", "lost", "slow", "insufficient_funds", "R02", "card_declined")
)


def pick(which: int, found: Any) -> Any:
    """Return one of what was found, or nothing where nothing was."""
    found = list(found)
    return found[which % len(found)] if found else None


class AccountLife(RuleBasedStateMachine):
    """All that payments can hear of two accounts, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.told = Told()
        self.life = Life(self.told.hear)
        self.commands: list[tuple[Command, str, str | None]] = []
        self.facts: list[Message[Any]] = []

    # The billing host

    @initialize()
    def accounts_owe(self) -> None:
        for number in PAYERS:
            self.hear_fact(number, opened(guarantor=self.guarantor(number)))
            for day, minor in enumerate((20_000, 7_777), 1):
                named = f"{number}-V{day}"
                self.hear_fact(number, visit(named, date(2025, 1, day)), charge(minor, named))
        for method in METHODS:
            self.ask(submit(3_000, f"first-{method.token}", account_number="G-1", method=method), PAYERS["G-1"])
        planned = {"visit_account_numbers": ("G-1-V2",), "authorization": self.consent()}
        self.ask(start_plan(2_500, "plan-0", account_number="G-1", **planned), PAYERS["G-1"])
        self.life.work_off()

    @staticmethod
    def guarantor(number: str) -> Guarantor:
        return Guarantor(person_id=PAYERS[number].partition(":")[2], first_name="Ada", last_name="Reyes")

    def hear_fact(self, number: str, *facts: Any, ago: int = 0) -> None:
        at = self.life.now - timedelta(hours=ago)
        messages = [
            self.life.message(one.model_copy(update={"account_number": number}), "host:billing", at=at)
            for one in facts
        ]
        self.facts += messages
        self.life.hear(*messages)

    @rule(number=numbers, visit=st.integers(1, 3), minor=minors, what=st.integers(0, 9), ago=st.integers(0, 40))
    def the_host_tells(self, number: str, visit: int, minor: int, what: int, ago: int) -> None:
        named, fact_id = f"{number}-V{visit}", f"F-{len(self.facts)}"
        owed_minor = self.life.account(number).visit(named).balance_minor
        kind = ("insurance-payment", "contractual", "write-off", "correction")[minor % 4]
        viewers = ("P-2",) if minor % 3 else ()
        currency = "USD" if minor % 7 else "EUR"
        fact = (
            lambda: opened(guarantor=self.guarantor(number), viewers=viewers, currency=currency),
            lambda: closed(named),
            lambda: statement(f"{number}-S-{minor % 4}"),
            lambda: adjustment(-owed_minor or 1, named, fact_id, kind),
            lambda: adjustment(-minor, named, fact_id, kind),
            lambda: adjustment(minor, named, fact_id, "correction"),
            lambda: charge(-minor, named, fact_id),
        )
        self.hear_fact(number, fact[what]() if what < len(fact) else charge(minor, named, fact_id), ago=ago)

    # Payers

    def ask(self, command: Command, actor: str, subject: str | None = None) -> Event:
        self.commands.append((command, actor, subject))
        return self.life.ask(command, actor, subject)

    @rule(which=which, together=st.integers(1, 3))
    def something_is_said_again(self, which: int, together: int) -> None:
        fact = pick(which, self.facts)
        kept = self.life.account(fact.data.account_number)
        self.life.hear(self.life.message(fact.data, "host:billing", at=fact.time))
        if not isinstance(fact.data, VisitAccountClosed):  # what came back may have opened it since
            assert self.life.account(fact.data.account_number) == kept
        again = [pick(which + one, self.commands[-20:]) for one in range(together)]
        self.life.hear(*(self.life.message(*one) for one in again))

    def done_soon(self, how: str | None) -> None:
        """Have all done at once, or later."""
        if how is not None:
            self.life.work_off(how)

    @rule(number=numbers, part=parts, which=which, saved=st.booleans(), soon=soon)
    def somebody_pays(self, number: str, part: int, which: int, saved: bool, soon: str | None) -> None:
        account = self.life.account(number)
        plan_id = pick(which, [None, None, *account.plans])
        payable = payable_minor(account, plan_id)
        method_id = pick(which, account.methods) if saved else None
        asked = submit(
            max(payable // part, 1) + which // 25,
            f"pay-{len(self.commands)}",
            account_number=number,
            plan_id=plan_id,
            method=None if method_id else METHODS[which % 3],
            method_id=method_id,
            save_method=saved and method_id is None,
        )
        ended = self.ask(asked, PAYERS[number])
        fits = which < 25 and payable >= part and (plan_id is None or payable <= account.plans[plan_id].left_minor)
        if fits and method_id is None and (plan_id is None or account.plans[plan_id].is_open):
            assert ended.outcome == "done", ended
        self.done_soon(soon)

    @rule(number=numbers, part=parts, which=which)
    def a_guest_pays(self, number: str, part: int, which: int) -> None:
        account = self.life.account(number)
        typed = pick(which, [number, *account.visits])
        expires_at = (self.life.now + timedelta(minutes=5)).timestamp()
        found = GuestPass(number, typed, f"guest-{which}", None if typed == number else typed, expires_at)
        owed_minor = account.owed_minor(None) if typed == number else account.visit(typed).balance_minor
        asked = submit(
            max(owed_minor // part, 1),
            f"pay-{len(self.commands)}",
            account_number=typed,
            guest_token=RULES.proofs.sign(found),
        )
        self.ask(asked, "guest", found.subject)

    @rule(number=numbers, which=which, keep=st.booleans())
    def a_method_is_kept_or_not(self, number: str, which: int, keep: bool) -> None:
        named = {"account_number": number, "method_id": f"{number}-M-{which % 4}"}
        method = METHODS[which % 3]
        self.ask(SaveMethod(**named, method=method) if keep else RemoveMethod(**named), PAYERS[number])

    @rule(number=numbers, part=parts, which=which, day=st.integers(1, 31), autopay=st.booleans())
    def a_plan_is_started(self, number: str, part: int, which: int, day: int, autopay: bool) -> None:
        before = self.life.account(number)
        owing = [one.number for one in before.visits.values() if one.balance_minor > 0 and one.plan_id is None]
        asked = StartPlan(
            plan_id=f"plan-{len(self.commands)}",
            account_number=number,
            visit_account_numbers=pick(which, [None, *((one,) for one in owing)]),
            monthly_amount_minor=max(payable_minor(before, None) // part // 2, 2_500),
            currency="USD",
            day_of_month=day,
            autopay=autopay,
            method=METHODS[which % 3],
            authorization=self.consent(),
        )
        if self.ask(asked, (PAYERS[number], "proxy:P-2")[which % 2]).outcome == "done":
            self.check_start(before, self.life.account(number).plans[asked.plan_id])

    def consent(self) -> Authorization:
        return Authorization(text_version="v1", accepted_at=self.life.now)

    def check_start(self, before: GuarantorAccount, plan: Plan) -> None:
        """Hold what is promised of a plan that begins."""
        owed_minor = sum(before.visits[one].balance_minor for one in plan.visits)
        assert plan.left_minor <= min(owed_minor, before.balance_minor)
        assert all(one.amount_minor >= RULES.instalment_min_minor for one in plan.instalments)
        assert len(plan.instalments) <= RULES.plan_months_max
        assert plan.instalments[0].due_on >= self.life.now.date() + NOTICE
        if plan.method and plan.method.kind == "bank_account":
            assert all(banking_day(one.due_on) == one.due_on for one in plan.instalments)

    @rule(number=numbers, which=which, minor=minors, day=st.integers(1, 31), what=st.integers(0, 8))
    def a_plan_is_arranged(self, number: str, which: int, minor: int, day: int, what: int) -> None:
        plan: Plan | None = pick(which, self.life.account(number).plans.values())
        if plan is None:
            return
        named: Any = {"plan_id": plan.plan_id, "account_number": number}
        change: Any = (
            {"monthly_amount_minor": minor},
            {"day_of_month": day},
            {"method": METHODS[which % 3], "autopay": True, "authorization": self.consent()},
            {"autopay": False},
            {"method_id": f"{number}-M-{which % 4}", "method": pick(which, [None, None, CARD])},
        )
        other = (PausePlan, ResumePlan, ResumePlan, CancelPlan)
        asked = ChangePlan(**named, **change[what]) if what < len(change) else other[what - len(change)](**named)
        if self.ask(asked, PAYERS[number]).outcome == "done" and plan.is_open:
            after = self.life.account(number).plans[plan.plan_id]
            assert after.left_minor == plan.left_minor
            fresh = [one.due_on for one in after.instalments if one not in plan.instalments]
            assert all(day >= self.life.now.date() for day in fresh if after.instalments != plan.instalments)

    # Staff

    @rule(number=numbers, part=parts, which=which, soon=soon)
    def a_refund_is_asked_for(self, number: str, part: int, which: int, soon: str | None) -> None:
        made = (one for one in self.life.account(number).payments.values() if one.charge_id)
        payment = pick(which, made)
        if payment is not None:
            asked = RequestRefund(
                refund_id=f"refund-{len(self.commands)}",
                account_number=number,
                payment_id=payment.payment_id,
                amount_minor=max(payment.amount_minor // part, 1),
                currency="USD",
                reason="Charged twice",
            )
            self.ask(asked, STAFF[which % 2])
            self.done_soon(soon)

    @rule(number=numbers, which=which, approve=st.booleans())
    def a_refund_is_decided(self, number: str, which: int, approve: bool) -> None:
        refund_id = pick(which, self.life.account(number).refunds)
        if refund_id is not None:
            cls = ApproveRefund if approve else DeclineRefund
            self.ask(cls(refund_id=refund_id, account_number=number), STAFF[which % 2])

    @rule(which=which, person=st.sampled_from(STAFF))
    def work_is_settled(self, which: int, person: str) -> None:
        work = pick(which, self.life.tables.all("work"))
        if work is not None:
            truth = self.life.truth(work)
            action = pick(
                which, [one for one in ACTIONS[work["kind"]] if truth in (None, one) or one == "ask-again"]
            )
            self.life.ask(settling(work["work_id"], work["key"], action), person)

    # The processor

    @rule(which=which, how=ways)
    def something_is_done(self, which: int, how: str) -> None:
        waiting: Waiting | None = pick(which, self.life.due(timers=False))
        if which % 3 == 0:
            self.life.work_off(how)
        elif waiting is not None:
            self.life.perform(waiting, how)
        elif self.life.answers:
            self.life.hear_answer(which)

    @rule(which=which, code=st.sampled_from(("R01", "R06", "R10", "R77")), soon=soon)
    def money_goes_back(self, which: int, code: str, soon: str | None) -> None:
        sound = (one for one in self.life.charges.values() if one.kept_minor > 0 and one.dispute != "won")
        found: Charge | None = pick(which, sound)
        if found is None:
            return
        if found.refunded_minor and which % 2:
            found.refunds = {key: ("failed", minor) for key, (_, minor) in found.refunds.items()}
            self.life.announce(found, "refund")
        elif found.order.kind == "bank_account":
            found.returned = code
        elif self.life.knows_refunds(found):
            found.dispute = ("won", "lost", "lost")[which % 3] if found.dispute else "needs_response"
            found.lost_minor = found.kept_minor if found.dispute == "lost" else 0
        self.life.announce(found, "payment")
        if soon is not None:
            self.life.hear_webhook(*self.life.webhooks[-1])
            self.life.work_off(soon)

    @precondition(lambda self: self.life.webhooks)
    @rule(which=which)
    def a_webhook_comes(self, which: int) -> None:
        self.life.hear_webhook(*pick(which, self.life.webhooks))

    @rule(which=which, minor=st.sampled_from((0, 0, 1)))
    def a_settlement_has_a_charge(self, which: int, minor: int) -> None:
        found: Charge | None = pick(which, (one for one in self.life.charges.values() if one.kept_minor > 0))
        if found is not None:
            line = (found.charge_id, found.order.payment_id, found.kept_minor + minor)
            number = found.order.account_number
            compared = CompareLines(settlement_id=f"po-{which}", account_number=number, lines=(line,))
            self.life.hear(self.life.message(compared, STAFF[0]))

    # The time

    @rule(time=times, asleep=st.sampled_from((False, False, True)))
    def time_goes_by(self, time: timedelta, asleep: bool) -> None:
        (self.life.sleep if asleep else self.life.wait)(time)

    @rule(which=which)
    def a_timer_comes_by_a_clock_that_is_behind(self, which: int) -> None:
        self.life.now -= timedelta(seconds=10 * which)
        for timer in self.life.due(timers=True)[:1]:
            self.life.fire(timer)

    # What holds

    @invariant()
    def all_agrees(self) -> None:
        for number in PAYERS:
            account = self.life.account(number)
            check(account, self.life.tables, self.told)
            for plan in account.plans.values():
                if plan.status == "active":
                    check_waits(account, plan, self.life.tasks)
        open_work = {one["work_id"] for one in self.life.tables.all("work") if one["status"] == "open"}
        assert open_work == self.told.work

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.all_comes_to_an_end()

    def all_comes_to_an_end(self) -> None:
        """Let the processor tell all once more: then the ledger is what really happened, and every plan ends."""
        self.life.hear_answers()
        for _ in range(12):
            self.life.wait(timedelta(days=1))
            self.life.work_off()
        self.hear_all_webhooks()
        for work in self.life.tables.all("work"):
            action = "post" if work["kind"] == "payment-taken" else self.life.truth(work)
            if work["status"] == "open" and action is not None:
                self.life.ask(settling(work["work_id"], work["key"], action), STAFF[0])
        self.hear_all_webhooks()
        for number in PAYERS:
            account = self.life.account(number)
            kept = cleared(account, self.life.tables)
            for payment in account.payments.values():
                charge = self.life.charges.get(payment.processor_key)
                assert not payment.is_open
                assert kept[payment.payment_id] == (charge.kept_minor if charge else 0), payment
            for plan in account.plans.values():
                if plan.status == "paused":
                    self.life.ask(ResumePlan(plan_id=plan.plan_id, account_number=number), STAFF[0])
        for _ in range(40):
            self.life.wait(timedelta(days=31))
            self.life.work_off()
        assert not any(one.is_open for number in PAYERS for one in self.life.account(number).plans.values())
        self.all_agrees()

    def hear_all_webhooks(self) -> None:
        for one in self.life.charges.values():
            self.life.announce(one, "payment")
            self.life.announce(one, "refund")
        for told in self.life.webhooks:
            self.life.hear_webhook(*told)
        self.life.webhooks.clear()
        self.life.work_off()


def test_whatever_happens_what_is_owed_told_kept_and_charged_agrees() -> None:
    run_state_machine_as_test(
        AccountLife, settings=settings(max_examples=settings().max_examples // 5, stateful_step_count=50)
    )
