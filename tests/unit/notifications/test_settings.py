"""Settings of notifications that cannot work end the process before it starts, with one line."""

import pytest

from services.notifications.settings import Settings
from shared.settings import read

GOOD = {
    "NOTIFICATIONS_DATABASE_URL": "postgresql://notifications:a-secret@database/notifications",
    "NOTIFICATIONS_SMTP_URL": "smtp://mail:25",
    "NOTIFICATIONS_EMAIL_SECRET": "a secret, long enough",
    "NOTIFICATIONS_SMS_URL": "https://carrier",
    "NOTIFICATIONS_SMS_SECRET": "another, long enough",
    "NOTIFICATIONS_PUBLIC_URL": "https://notifications",
    "NOTIFICATIONS_SECRET": "one more, long enough",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFICATIONS_SMTP_URL", "smtp://mail"),
        ("NOTIFICATIONS_SMTP_URL", "smtp://mail:99999"),
        ("NOTIFICATIONS_MAIL_FROM_NAME", "Portal\nBcc: all@portal.example"),
        ("NOTIFICATIONS_MAIL_FROM", "nobody"),
        ("NOTIFICATIONS_SMS_URL", "smpp://system@carrier:99999"),
    ],
)
def test_what_no_mail_or_text_can_be_sent_with_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, right in GOOD.items():
        monkeypatch.setenv(given, right)
    assert read(Settings).sender().display_name == "Patient Portal"
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        read(Settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
