"""Guests who try out cards: by one lookup or several, of one account or many, from one address or in all."""

import hashlib
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from itsdangerous import URLSafeSerializer

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.payer import method_digest
from services.payments.domain.records import GuestTry
from services.payments.settings import Settings
from shared.frozen import replace
from shared.messaging.decision import Decision
from shared.settings import read
from tests.unit.payments.story import CARD, NOW, NUMBER, RULES, outcome, owing, submit, when
from tests.unit.payments.test_proofs import as_guest, guest_token
from tests.unit.payments.test_settings import GOOD

DAY = timedelta(days=1)
REFUSED = ("refused", "too_many_attempts")
_ids = count()


def tried(**changes: Any) -> GuestTry:
    """Another guest's charge, of another account, with another card and from elsewhere."""
    one = GuestTry(f"guest-{next(_ids)}", b"another", NOW, failed=True, account_number="G-2", address="elsewhere")
    return replace(one, **changes)


def account_after(*tries: GuestTry) -> GuarantorAccount:
    return replace(owing(V1=15_000), guest_tries=tries)


def paying(account: GuarantorAccount) -> Decision[Any]:
    return as_guest(account, submit(100, guest_token=guest_token(address="here")))


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize(
    ("same", "limit"),
    [
        ({"account_number": NUMBER}, RULES.guest_failures_per_account_max),
        ({"address": "here"}, RULES.guest_failures_per_address_max),
    ],
)
def test_guests_are_stopped_when_too_many_charges_failed_or_are_under_way(
    same: dict[str, str], limit: int, failed: bool
) -> None:
    tries = [tried(failed=failed, **same) for _ in range(limit)]

    assert outcome(paying(account_after(*tries))) == REFUSED
    assert outcome(paying(account_after(*tries[1:]))) == ("done", None)
    assert outcome(paying(account_after(*tries[1:], tried(at=NOW - DAY, failed=failed, **same)))) == ("done", None)


def test_guests_are_stopped_when_too_many_charges_of_all_failed() -> None:
    account = owing(V1=15_000)

    assert outcome(paying(replace(account, guests_failed_since=NOW))) == REFUSED
    assert outcome(paying(replace(account, guests_failed_since=NOW - DAY))) == ("done", None)


def test_who_is_logged_in_pays_whatever_guests_tried() -> None:
    tries = [tried(account_number=NUMBER, method=method_digest(CARD.token), address="here") for _ in range(1_000)]
    account = replace(account_after(*tries), guests_failed_since=NOW)

    assert outcome(paying(account)) == REFUSED
    assert outcome(when(account, submit(100))) == ("done", None)


def test_what_a_guest_tries_in_one_batch_counts_for_the_next_guest() -> None:
    account = account_after(
        *[tried(account_number=NUMBER) for _ in range(RULES.guest_failures_per_account_max - 1)]
    )

    first = paying(account)
    second = submit(100, "pay-2", guest_token=guest_token(subject="guest-2", address="there"))

    assert outcome(first) == ("done", None)
    assert outcome(as_guest(first.state, second, "guest-2")) == REFUSED


def test_guests_of_whom_nobody_knows_from_where_do_not_count_as_one() -> None:
    tries = [tried(address=None) for _ in range(RULES.guest_failures_per_address_max)]

    assert outcome(as_guest(account_after(*tries), submit(100, guest_token=guest_token()))) == ("done", None)


def test_a_pass_of_the_release_before_or_of_a_later_one_is_one_too() -> None:
    sha256 = {"digest_method": hashlib.sha256}
    signer = URLSafeSerializer("a secret of the tests", salt="GuestPass", signer_kwargs=sha256)
    before = [NUMBER, NUMBER, "guest-1", None, (NOW + DAY).timestamp()]

    for values, ended in (
        (before, ("done", None)),
        (before[:-1], ("refused", "not_found")),
        ([*before, "here", "more"], ("done", None)),
    ):
        asked = submit(100, guest_token=signer.dumps(values))
        assert outcome(as_guest(owing(V1=15_000), asked)) == ended


def test_the_limit_in_all_is_far_above_what_one_address_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PAYMENTS_GUEST_FAILURES_PER_ACCOUNT_MAX", "7")

    rules = read(Settings).rules()

    assert rules.guest_failures_in_all_max >= 50 * rules.guest_failures_per_address_max
    assert rules.guest_failures_per_account_max == 7
