"""Settings of payments with which anybody could sign what the processor says stop the start."""

import pytest

from services.payments.settings import Settings
from shared.settings import read

GOOD = {
    "PAYMENTS_DATABASE_URL": "postgresql://payments:a-secret@database/payments",
    "PAYMENTS_PROCESSOR_URL": "https://processor",
    "PAYMENTS_PROCESSOR_SECRET": "a secret, long enough",
    "PAYMENTS_SECRET": "another, long enough",
}


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
