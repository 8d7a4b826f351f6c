"""What payments knows about one guarantor account: the state that all its rules read and change.

An account is loaded whole enough to decide, never with its history: all its visit accounts, the payments that
have not ended, and of the rest only what the messages at hand name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.payments.domain.ledger import Posting, PostingKey
from services.payments.domain.records import (
    GuestTry,
    Opened,
    Payment,
    Plan,
    PlanEntry,
    Refund,
    SavedMethod,
    Settled,
    Statement,
    Visit,
    Work,
)
from shared.events.payments import Allocation, BalanceChanged, Share
from shared.frozen import replace
from shared.messaging.decision import Event


@dataclass(frozen=True)
class GuarantorAccount:
    """A guarantor account; one that nobody has heard of is empty.

    Attributes:
        number: the account number.
        opened: absent while only charges or visits were heard of.
        version: grows with each balance told.
        paperless: the persons who get its statements without paper.
        visits: all of them, by number.
        payments: those that have not ended, and those that messages name, or whose review they use again, by id.
        guest_tries: charges of guests, of this account or another, by a pass or a method that messages name, of
            an account that a guest pays, or from where its bill was looked up.
        guests_failed_since: when the first was made of the newest failed charges of all guests that are as many as
            may fail in a day; absent where there are fewer.
        payment_ids_elsewhere: those that messages name and that belong to other accounts.
        statements: those that messages name, and those not told yet, by id.
        posted: the postings that messages name and that are in the ledger, also by this batch.
        postings: those that this batch adds to the ledger.
        methods, plans, refunds, work: where messages are about them, by id.
        plan_history: what this batch adds to it.
        raised, settled: the work that this batch raises, and ends.
        webhooks: the processor's events that messages name and that were taken up, and by this batch (`taken`).
    """

    number: str
    opened: Opened | None = None
    version: int = 0
    paperless: frozenset[str] = frozenset()
    visits: Mapping[str, Visit] = field(default_factory=dict)
    payments: Mapping[str, Payment] = field(default_factory=dict)
    guest_tries: tuple[GuestTry, ...] = ()
    guests_failed_since: datetime | None = None
    payment_ids_elsewhere: frozenset[str] = frozenset()
    statements: Mapping[str, Statement] = field(default_factory=dict)
    posted: frozenset[PostingKey] = frozenset()
    postings: tuple[Posting, ...] = ()
    methods: Mapping[str, SavedMethod] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    plan_history: tuple[PlanEntry, ...] = ()
    refunds: Mapping[str, Refund] = field(default_factory=dict)
    work: Mapping[str, Work] = field(default_factory=dict)
    raised: tuple[Work, ...] = ()
    settled: tuple[Settled, ...] = ()
    webhooks: frozenset[str] = frozenset()
    taken: tuple[str, ...] = ()

    @property
    def balance_minor(self) -> int:
        """What is owed, over all visits that are not closed."""
        return sum(visit.balance_minor for visit in self.visits.values() if not visit.closed)

    @property
    def is_posted(self) -> bool:
        """Whether anything was posted to it, as far as its sums or what was told of them show."""
        return self.version > 0 or any(
            visit.charges_minor or visit.insurance_paid_minor or visit.adjustments_minor or visit.paid_minor
            for visit in self.visits.values()
        )

    def due_minor(self, plan_id: str | None) -> dict[str, int]:
        """Return by visit that is not closed what a plan pays of it, or what can be paid beyond any plan."""
        return {visit.number: visit.due_minor(plan_id) for visit in self.visits.values() if not visit.closed}

    def owed_minor(self, plan_id: str | None) -> int:
        """Return what a plan pays, or what can be paid beyond any plan: never more than is owed in all."""
        return min(sum(self.due_minor(plan_id).values()), self.balance_minor)

    def reserved_minor(self) -> Counter[str]:
        """Return by visit what payments that have not ended will pay of it."""
        return _sums(
            share for payment in self.payments.values() if payment.is_open for share in payment.allocation
        )

    def reserved_of(self, plan_id: str | None) -> Counter[str]:
        """Return by visit what they will pay of what a plan pays, or of what is due beyond any plan."""
        return _sums(
            share
            for payment in self.payments.values()
            if payment.is_open
            for share in payment.allocation
            if self._part_of(payment, share) == plan_id
        )

    def _part_of(self, payment: Payment, share: Share) -> str | None:
        """Return the plan whose part of a visit is paid; what one that has ended began to pay is like all else."""
        visit = self.visit(share.visit_account_number)
        return visit.plan_id if visit.plan_id == payment.plan_id else None

    def visit(self, number: str) -> Visit:
        """Return a visit; one that nobody has heard of is empty."""
        return self.visits.get(number) or Visit(number)

    def with_visit(self, visit: Visit) -> "GuarantorAccount":
        """Return the account with a visit as it is now."""
        return replace(self, visits={**self.visits, visit.number: visit})

    def with_payment(self, payment: Payment) -> "GuarantorAccount":
        """Return the account with a payment as it is now."""
        return replace(self, payments={**self.payments, payment.payment_id: payment})

    def with_statement(self, statement: Statement) -> "GuarantorAccount":
        """Return the account with a statement as it is now."""
        return replace(self, statements={**self.statements, statement.statement_id: statement})

    def with_method(self, method: SavedMethod) -> "GuarantorAccount":
        """Return the account with a saved method as it is now."""
        return replace(self, methods={**self.methods, method.method_id: method})

    def with_plan(self, plan: Plan) -> "GuarantorAccount":
        """Return the account with a plan as it is now."""
        return replace(self, plans={**self.plans, plan.plan_id: plan})

    def with_refund(self, refund: Refund) -> "GuarantorAccount":
        """Return the account with a refund as it is now."""
        return replace(self, refunds={**self.refunds, refund.refund_id: refund})

    def with_posting(self, posting: Posting) -> "GuarantorAccount":
        """Return the account with a posting added to its ledger; the visits' sums are the caller's to change."""
        return replace(self, posted=self.posted | {posting.key}, postings=(*self.postings, posting))


def _sums(shares: Iterable[Share]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for share in shares:
        sums[share.visit_account_number] += share.amount_minor
    return sums


def booked(
    account: GuarantorAccount, payment: Payment, posting: Posting, allocation: Allocation, sign: int
) -> GuarantorAccount:
    """Return the account with a posting about a payment: its visits are paid (`sign` 1) or owed again (-1).

    What is owed again opens a visit that was closed, or nobody would be asked for it and nobody could pay it.
    """
    visits = dict(account.visits)
    for share in allocation:
        visit = visits.get(share.visit_account_number) or Visit(share.visit_account_number)
        visit = replace(visit, paid_minor=visit.paid_minor + sign * share.amount_minor)
        if visit.closed and sign < 0 < visit.balance_minor:
            visit = replace(visit, closed=False)
        visits[visit.number] = visit
    return replace(
        account,
        visits=visits,
        payments={**account.payments, payment.payment_id: payment},
        posted=account.posted | {posting.key},
        postings=(*account.postings, posting),
    )


def tell_balance(before: GuarantorAccount, after: GuarantorAccount) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Return the account with its next version, and the event, if what it owes is not what was told last."""
    told_minor = before.balance_minor if before.opened else 0
    balance_minor = after.balance_minor
    opened = after.opened
    if opened is None or balance_minor == told_minor:
        return after, ()
    after = replace(after, version=after.version + 1)
    told = BalanceChanged(
        account_number=after.number,
        balance_minor=balance_minor,
        currency=opened.currency,
        version=after.version,
    )
    return after, (Event(told, key=after.number),)
