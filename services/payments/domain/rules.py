"""What an operator chooses about the rules, and the secret that proofs are signed with."""

from dataclasses import KW_ONLY, dataclass

from services.payments.domain.proofs import Proofs


@dataclass(frozen=True)
class Rules:
    """Limits, in minor units and months.

    Attributes:
        proofs: signs and reads what payers show.
        refund_alone_max_minor: refunds of a payment, asked for by one person, need a second one above it.
        instalment_min_minor: the smallest instalment of a plan.
        plan_months_max: the longest plan.
        guest_failures_max: how many charges of a guest may fail in a day, by one lookup or with one card.
        guest_failures_per_account_max: how many of one account, by whichever guests.
        guest_failures_per_address_max: how many of bills that were looked up from one address.
        guest_failures_in_all_max: how many of all guests: far more than one address can cause.
    """

    proofs: Proofs
    _: KW_ONLY
    refund_alone_max_minor: int = 50_000
    instalment_min_minor: int = 2_500
    plan_months_max: int = 36
    guest_failures_max: int = 10
    guest_failures_per_account_max: int = 20
    guest_failures_per_address_max: int = 50
    guest_failures_in_all_max: int = 5_000
