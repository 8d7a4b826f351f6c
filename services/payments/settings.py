"""What payments is told by its environment, beside what every service is."""

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.payments.domain.proofs import Proofs
from services.payments.domain.rules import Rules
from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The processor, the limits of the rules, and the secret that proofs are signed with (`PAYMENTS_…`).

    Attributes:
        processor_secret: proves to the processor who we are, and that its webhooks are its own.
        secret: signs review and guest tokens, and guests' challenges.
        refund_alone_max_minor, instalment_min_minor, plan_months_max: see `Rules`.
        guest_lookups_per_account, guest_lookups_per_address, guest_lookups: in a quarter of an hour; the first is
            that of a number as typed, too.
        guest_failures_max, guest_failures_per_account_max, guest_failures_per_address_max,
            guest_failures_in_all_max: see `Rules`.
        guest_challenge_cost: how often a guest's browser hashes for one try.
    """

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_", frozen=True)

    processor_url: AnyHttpUrl
    processor_secret: SecretStr = Field(min_length=1)
    processor_timeout_s: float = Field(default=10.0, gt=0, le=60)
    secret: SecretStr = Field(min_length=16)
    refund_alone_max_minor: int = Field(default=Rules.refund_alone_max_minor, ge=0)
    instalment_min_minor: int = Field(default=Rules.instalment_min_minor, ge=1)
    plan_months_max: int = Field(default=Rules.plan_months_max, ge=1, le=120)
    guest_lookups_per_account: int = Field(default=10, ge=1)
    guest_lookups_per_address: int = Field(default=60, ge=1)
    guest_lookups: int = Field(default=5_000, ge=1)
    guest_failures_max: int = Field(default=Rules.guest_failures_max, ge=1, le=1_000)
    guest_failures_per_account_max: int = Field(default=Rules.guest_failures_per_account_max, ge=1, le=1_000)
    guest_failures_per_address_max: int = Field(default=Rules.guest_failures_per_address_max, ge=1, le=1_000)
    guest_failures_in_all_max: int = Field(default=Rules.guest_failures_in_all_max, ge=1, le=100_000)
    guest_challenge_cost: int = Field(default=1_000, ge=1, le=1_000_000)

    def rules(self) -> Rules:
        """Return what the rules are given."""
        return Rules(
            Proofs(self.secret.get_secret_value()),
            refund_alone_max_minor=self.refund_alone_max_minor,
            instalment_min_minor=self.instalment_min_minor,
            plan_months_max=self.plan_months_max,
            guest_failures_max=self.guest_failures_max,
            guest_failures_per_account_max=self.guest_failures_per_account_max,
            guest_failures_per_address_max=self.guest_failures_per_address_max,
            guest_failures_in_all_max=self.guest_failures_in_all_max,
        )
