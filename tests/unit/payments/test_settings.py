"""Settings of payments: each limit gets to its rule, and secrets that can be guessed stop the start."""

from dataclasses import fields

import pytest

from services.payments.domain.rules import Rules
from services.payments.settings import Settings
from shared.settings import read

GOOD = {
    "PAYMENTS_DATABASE_URL": "postgresql://payments:a-secret@database/payments",
    "PAYMENTS_PROCESSOR_URL": "https://processor",
    "PAYMENTS_PROCESSOR_SECRET": "a secret, long enough",
    "PAYMENTS_SECRET": "another, long enough",
}
LIMITS = [limit.name for limit in fields(Rules) if limit.name != "proofs"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [("PAYMENTS_PROCESSOR_SECRET", ""), ("PAYMENTS_SECRET", ""), ("PAYMENTS_SECRET", "fifteen letters")],
)
def test_a_secret_that_can_be_guessed_stops_the_start(
    name: str, secret: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, right in GOOD.items():
        monkeypatch.setenv(given, right)
    assert read(Settings)
    monkeypatch.setenv(name, secret)
    with pytest.raises(SystemExit):
        read(Settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")


def test_each_limit_gets_to_its_own_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {name: 11 + number for number, name in enumerate(LIMITS)}
    for given, right in (
        GOOD | {f"PAYMENTS_{name.upper()}": str(limit) for name, limit in limits.items()}
    ).items():
        monkeypatch.setenv(given, right)
    rules = read(Settings).rules()
    assert {name: getattr(rules, name) for name in LIMITS} == limits
