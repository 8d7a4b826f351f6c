"""What a billing host and gateways publish about guarantor accounts: charges, and payments of every kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.events.topics import HOST_BILLING, PAYMENTS_COMMANDS
from tests.faults.intents.making import Intent, Json, Making
from tests.faults.intents.poison import Poison

_SUBMIT: Final = "payments.submit-payment.v1"
_TOKENS: Final = {
    "tok_ok": 70,
    "tok_declined": 8,
    "tok_insufficient_funds": 6,
    "tok_500_done": 8,
    "tok_timeout_done": 5,
    "tok_slow": 1,
    "tok_timeout_lost": 1,
}
_TOO_EARLY: Final = 30
_SHARED_IDS: Final = 50


class PaymentsPart:
    """Accounts, what is owed, and who pays."""

    def __init__(self, making: Making, accounts: Sequence[str]) -> None:
        self._making = making
        self._random = making.random
        self._accounts = accounts

    def opening(self) -> Sequence[Intent]:
        """Return two visits of each account; and payments that come before what they are for is known."""
        facts: list[Intent] = []
        for number in self._accounts:
            facts.append(self._account_opened(number))
            for visit in range(2):
                facts.append(self._visit_opened(number, visit))
                facts.append(self._charge(number, visit, self._random.randrange(5_000, 20_000)))
        return [*facts, *(self._pay() for _ in range(_TOO_EARLY))]

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is published without rest."""
        return {
            self._pay: 60,
            self._pay_elsewhere: 1,
            self._post_charge: 10,
            self._post_adjustment: 5,
            self._open_again: 4,
        }

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of poison."""
        making, account = self._making, self._account
        fact = "billing.charge-posted.v1"
        return Poison(making, PAYMENTS_COMMANDS, HOST_BILLING, _SUBMIT, fact, account, self._pay).kinds()

    def closing(self) -> Sequence[Intent]:
        """Return nothing."""
        return ()

    def _account(self) -> str:
        return self._random.choice(self._accounts)

    # Gateways

    def _pay(self) -> Intent:
        return self._submit(f"pay-{self._making.number()}", self._random.randrange(10, 200))

    def _pay_elsewhere(self) -> Intent:
        """Use an id for payments of whatever account."""
        return self._submit(f"pay-of-many-{self._random.randrange(_SHARED_IDS)}", 10)

    def _submit(self, payment_id: str, amount_minor: int) -> Intent:
        number = self._account()
        token = self._random.choices(list(_TOKENS), list(_TOKENS.values()))[0]
        data = {
            "payment_id": payment_id,
            "account_number": number,
            "amount_minor": amount_minor,
            "currency": "USD",
            "method": {"kind": "card", "token": token, "last4": "4242", "brand": "visa"},
        }
        return self._making.command(PAYMENTS_COMMANDS, _SUBMIT, number, f"patient:P-{number}", data)

    # The billing host

    def _account_opened(self, number: str) -> Intent:
        last_name = f"V{self._making.number()}"
        guarantor = {"person_id": f"P-{number}", "first_name": "Ada", "last_name": last_name}
        data = {"guarantor": guarantor, "viewers": [], "affiliate": "north", "currency": "USD"}
        return self._fact("guarantor-account-opened", number, data)

    def _visit_opened(self, number: str, visit: int) -> Intent:
        day = f"2025-01-{self._random.randrange(1, 29):02}"
        about = {"patient_id": f"M-{number}", "visit_date": day, "description": "Office visit"}
        return self._fact("visit-account-opened", number, _visit(number, visit) | about)

    def _charge(self, number: str, visit: int, amount_minor: int) -> Intent:
        charge = {"charge_id": f"C-{self._making.number()}", "amount_minor": amount_minor}
        about = {"service_date": "2025-01-10", "description": "Examination"}
        return self._fact("charge-posted", number, _visit(number, visit) | charge | about)

    def _post_charge(self) -> Intent:
        return self._charge(self._account(), self._random.randrange(2), self._random.randrange(100, 900))

    def _post_adjustment(self) -> Intent:
        number = self._account()
        kind = self._random.choice(["insurance-payment", "contractual", "write-off", "correction"])
        adjusted = {
            "adjustment_id": f"A-{self._making.number()}",
            "kind": kind,
            "amount_minor": -self._random.randrange(1, 50),
        }
        return self._fact("adjustment-posted", number, _visit(number, self._random.randrange(2)) | adjusted)

    def _open_again(self) -> Intent:
        return self._account_opened(self._account())

    def _fact(self, kind: str, number: str, data: Json) -> Intent:
        return self._making.fact(HOST_BILLING, f"billing.{kind}.v1", number, {"account_number": number, **data})


def _visit(number: str, visit: int) -> Json:
    return {"visit_account_number": f"{number}-V{visit}"}
