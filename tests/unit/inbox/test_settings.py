"""Settings of the inbox that cannot work end the process before it starts, with one line."""

from pathlib import Path

import pytest

from services.inbox.settings import Settings
from shared.settings import read

GOOD = {
    "INBOX_DATABASE_URL": "postgresql://inbox:a-secret@database/inbox",
    "INBOX_ATTACHMENTS_URL": "s3://attachments",
    "INBOX_CLAMD_URL": "tcp://clamd:3310",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INBOX_ATTACHMENTS_URL", "ftp://files"),
        ("INBOX_ATTACHMENTS_URL", "memory:///"),
        ("INBOX_ATTACHMENTS_URL", "files"),
        ("INBOX_ATTACHMENTS_URL", "s3://"),
        ("INBOX_ATTACHMENTS_URL", "file://relative"),
        ("INBOX_ATTACHMENTS_URL", "file:///proc/files"),
        ("INBOX_CLAMD_URL", "http://clamd:3310"),
        ("INBOX_CLAMD_URL", "tcp://"),
    ],
)
def test_an_address_of_a_kind_that_nobody_can_use_stops_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, right in GOOD.items():
        monkeypatch.setenv(given, right)
    assert str(read(Settings).attachments_url) == "s3://attachments"
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        read(Settings)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "store", ["file://{}/files", "gs://files", "az://files", "abfss://files@account.dfs.core.windows.net/folder"]
)
def test_files_are_kept_in_any_store_that_there_is(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given, right in GOOD.items():
        monkeypatch.setenv(given, right)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    url = store.format(tmp_path)
    monkeypatch.setenv("INBOX_ATTACHMENTS_URL", url)
    assert str(read(Settings).attachments_url) == url
