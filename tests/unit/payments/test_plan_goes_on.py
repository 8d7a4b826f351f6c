"""Whatever happens to a plan, it waits for something that will come, until it is paid or ends unpaid."""

from datetime import datetime, timedelta
from operator import ge, itemgetter
from typing import Any

from hypothesis import example, settings
from hypothesis import given as examples
from hypothesis import strategies as st

from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.schedule import moment, month_of
from shared.events.envelope import Data
from shared.events.plans import ChangePlan, PausePlan, ResumePlan
from shared.events.vocabulary import Method
from tests.unit.payments.plan_story import BANK, PLAN, due_on, plan_of
from tests.unit.payments.story import CARD, NOW, answer, charge_tasks, owing, start_plan, submit, when

DAY = timedelta(days=1)


class Life:
    """A plan, the timers that wait, and the time."""

    def __init__(self, method: Method | None) -> None:
        self.now = NOW
        self.timers: list[tuple[datetime, InstalmentTimer | GraceTimer]] = []
        self.charged: dict[tuple[int, int], datetime] = {}
        self.account = owing(V1=20_000)
        self.hear(start_plan(5_000, method=method, autopay=method is not None))

    def hear(self, data: Data) -> None:
        """Decide about a message, and keep the timers that follow."""
        decision = when(self.account, data, at=self.now)
        self.account = decision.state
        for task in decision.tasks:
            if isinstance(task.data, InstalmentTimer | GraceTimer):
                self.timers.append((task.due_at or self.now, task.data))
        for asked in charge_tasks(decision):
            number = self.account.payments[asked.payment_id].instalment
            if number:
                which = (number, plan_of(self.account).revision)
                assert self.now - self.charged.get(which, self.now - DAY) >= DAY, "charged twice in a day"
                self.charged[which] = self.now

    def wait(self, days: int) -> None:
        """Let time go by, and the timers come that are due."""
        until = self.now + days * DAY
        while due := [waiting for waiting in self.timers if waiting[0] <= until]:
            at, timer = first = min(due, key=itemgetter(0))
            self.timers.remove(first)
            self.now = max(self.now, at)
            self.hear(timer)
            self.check()
        self.now = until

    def payments(self, *statuses: str) -> list[str]:
        return [one.payment_id for one in self.account.payments.values() if one.status in statuses]

    def months_to_come(self) -> list[int]:
        """Return the months of what is unpaid."""
        plan = plan_of(self.account)
        unpaid = (one for one in plan.instalments if one.status not in ("paid", "processing"))
        return [month_of(one.due_on, plan.day_of_month) for one in unpaid]

    def do(self, what: str, much: int) -> None:
        """Let something happen, where it can."""
        number = len(self.account.payments)
        under_way, made = self.payments("processing", "unknown"), self.payments("succeeded")
        match what:
            case "wait":
                self.wait(much)
            case "stand still":
                self.now += timedelta(hours=much)
            case "pay":
                method = BANK if much % 2 else CARD
                self.hear(submit(much * 300, f"pay-{number}", plan_id="plan-1", method=method))
            case "take" if under_way:
                self.hear(answer("succeeded", payment_id=under_way[much % len(under_way)], query=None))
            case "decline" if under_way:
                reason = ("insufficient_funds", "invalid_token")[much % 2]
                self.hear(answer("declined", payment_id=under_way[-1], reason=reason, query=None))
            case "return" if made:
                turn = {"stands": "returned", "reason": ("R01", "R10")[much % 2]}
                self.hear(answer("succeeded", payment_id=made[much % len(made)], query=None, **turn))
            case "change":
                other: dict[str, Any] = (
                    {"day_of_month": much % 31 + 1},
                    {"monthly_amount_minor": 3_000 + much},
                    {"method": CARD, "autopay": True},
                    {"method": BANK},
                    {"autopay": False},
                )[much % 5]
                before = self.months_to_come()[:1]
                self.hear(ChangePlan(**PLAN, **other))
                assert self.months_to_come()[:1] >= before, "earlier than it was"
            case "pause":
                self.hear(PausePlan(**PLAN))
            case "resume":
                before = self.months_to_come()
                self.hear(ResumePlan(**PLAN))
                assert all(map(ge, self.months_to_come(), before)), "earlier than it was"
        self.check()

    def check(self) -> None:
        """Hold that each instalment of an active plan that is not paid waits for something that will come."""
        plan = plan_of(self.account)
        assert [one.number for one in plan.instalments] == list(range(1, len(plan.instalments) + 1))
        assert due_on(self.account) == sorted(due_on(self.account))
        if plan.status != "active":
            return
        waiting = [(at, timer) for at, timer in self.timers if timer.revision == plan.revision]
        scheduled = [one for one in plan.instalments if one.status == "scheduled"]
        coming = [(at, timer) for at, timer in waiting if isinstance(timer, InstalmentTimer) and not timer.again]
        assert len(coming) <= 1, "twins"
        if scheduled:
            ((at, timer),) = coming
            assert at <= max(moment(scheduled[0].due_on), self.now), scheduled[0]
            assert timer.number <= scheduled[0].number, "it waits for one after that"
        for one in plan.instalments:
            if one.status in ("due", "failed"):
                mine = [timer for _, timer in waiting if timer.number == one.number]
                assert any(
                    isinstance(timer, InstalmentTimer) or timer.attempts == one.attempts for timer in mine
                ), one
            if one.status == "processing":
                assert one.payment_id in self.payments("processing", "unknown"), one


HAPPENS = (
    *("wait", "wait", "stand still", "pay", "pay", "take", "take"),
    *("decline", "return", "change", "pause", "resume"),
)


PAID_ON_ITS_DAY_AND_BACK = [
    ("wait", 29),
    ("stand still", 30),
    ("pay", 17),
    ("take", 1),
    ("return", 2),
    ("wait", 1),
]
"""Before the timer of the day comes."""


@settings(max_examples=300, deadline=None)
@examples(
    st.sampled_from([CARD, BANK, None]),
    st.lists(st.tuples(st.sampled_from(HAPPENS), st.integers(1, 40)), max_size=25),
)
@example(None, PAID_ON_ITS_DAY_AND_BACK)
@example(CARD, PAID_ON_ITS_DAY_AND_BACK)
def test_a_plan_never_waits_for_nothing(method: Method | None, happens: list[tuple[str, int]]) -> None:
    life = Life(method)
    for what, much in happens:
        life.do(what, much)

    life.do("resume", 1)
    for _ in range(60):
        while life.payments("processing", "unknown"):
            life.do("take", 1)
        life.do("wait", 40)

    assert not plan_of(life.account).is_open
