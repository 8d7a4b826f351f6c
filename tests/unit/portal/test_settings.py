"""Settings of the portal that are misspelt or missing stop the start, with a line for each."""

import os

import pytest

from portal.settings import PortalSettings
from shared.settings import read


def test_what_is_no_setting_of_the_portal_stops_the_start_beside_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("PORTAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PORTAL_TRUSTED_PROXY", "10.0.0.1")
    monkeypatch.setenv("PORTAL_PUBLIC_URL", "https://portal:99999")
    with pytest.raises(SystemExit) as ended:
        read(PortalSettings)
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "PORTAL_TRUSTED_PROXY is no setting"
    assert {line.split(":")[0] for line in lines} >= {"PORTAL_PUBLIC_URL", "PORTAL_SECRET", "PORTAL_OIDC_ISSUER"}
