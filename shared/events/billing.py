"""What the billing host says on `host.billing.v1`: guarantor accounts, visits, charges and statements."""

from typing import ClassVar, Literal

from shared.events.envelope import Date, Fact, Id
from shared.events.vocabulary import AmountMinor, Currency, Description, Name, Persons, Record


class Guarantor(Record):
    """The person responsible for the bills of an account."""

    person_id: Id
    first_name: Name
    last_name: Name


class GuarantorAccountOpened(Fact):
    """The billing host opened an account, or says it anew; `viewers` are proxies who may see and pay."""

    TYPE: ClassVar[str] = "billing.guarantor-account-opened.v1"
    account_number: Id
    guarantor: Guarantor
    viewers: Persons
    affiliate: Id
    currency: Currency


class VisitAccountOpened(Fact):
    """The billing host opened an account for the charges of one visit."""

    TYPE: ClassVar[str] = "billing.visit-account-opened.v1"
    account_number: Id
    visit_account_number: Id
    patient_id: Id
    visit_date: Date
    description: Description


class ChargePosted(Fact):
    """The billing host charged for something done at a visit."""

    TYPE: ClassVar[str] = "billing.charge-posted.v1"
    account_number: Id
    visit_account_number: Id
    charge_id: Id
    service_date: Date
    description: Description
    amount_minor: AmountMinor


class AdjustmentPosted(Fact):
    """The billing host changed what is owed for a visit; a negative amount lowers it."""

    TYPE: ClassVar[str] = "billing.adjustment-posted.v1"
    account_number: Id
    visit_account_number: Id
    adjustment_id: Id
    kind: Literal["insurance-payment", "contractual", "write-off", "correction"]
    amount_minor: AmountMinor


class VisitAccountClosed(Fact):
    """The billing host closed a visit account: it is no longer payable, nor part of the balance."""

    TYPE: ClassVar[str] = "billing.visit-account-closed.v1"
    account_number: Id
    visit_account_number: Id


class StatementIssued(Fact):
    """The billing host issued a statement of what an account owes."""

    TYPE: ClassVar[str] = "billing.statement-issued.v1"
    account_number: Id
    statement_id: Id
    issued_on: Date
    due_on: Date
    period_from: Date
    period_to: Date
    amount_due_minor: AmountMinor
    currency: Currency


BillingFact = (
    GuarantorAccountOpened
    | VisitAccountOpened
    | ChargePosted
    | AdjustmentPosted
    | VisitAccountClosed
    | StatementIssued
)
