"""Settings of insurance that no payer could be asked with end the process before it starts, with one line."""

import pytest
from cryptography.fernet import Fernet

from services.insurance.settings import Settings
from shared.settings import read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INSURANCE_PROVIDER_NAME", ""),
        ("INSURANCE_PROVIDER_NAME", "*~"),
        ("INSURANCE_PROVIDER_NPI", "12"),
        ("INSURANCE_SENDER_ID", " "),
        ("INSURANCE_RECEIVER_ID", "A*B"),
    ],
)
def test_a_name_that_nobody_can_be_told_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INSURANCE_DATABASE_URL", "postgresql://insurance:a-secret@database/insurance")
    monkeypatch.setenv("INSURANCE_CLEARINGHOUSE_URL", "https://clearinghouse")
    monkeypatch.setenv("INSURANCE_RAW_KEY", Fernet.generate_key().decode())
    assert read(Settings).provider_name == "PATIENT PORTAL HOSPITAL"
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        read(Settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
