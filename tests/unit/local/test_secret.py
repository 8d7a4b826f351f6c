import secrets
from pathlib import Path

import pytest

from local.secret import kept_secret


def test_a_secret_stays_the_same_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    secret = kept_secret(file)
    assert len(secret) >= 32
    assert kept_secret(file) == secret
    assert file.stat().st_mode & 0o077 == 0


def test_whoever_is_stopped_while_making_a_secret_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_bytes: int) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(secrets, "token_hex", stopped)
        with pytest.raises(KeyboardInterrupt):
            kept_secret(tmp_path / "secret")
    assert len(kept_secret(tmp_path / "secret")) >= 32


def test_two_files_have_two_secrets(tmp_path: Path) -> None:
    assert kept_secret(tmp_path / "one") != kept_secret(tmp_path / "other")
