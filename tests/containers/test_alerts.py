"""Each alert fires when it should, by Prometheus' own tool."""

from tests.containers.commands import run
from tests.containers.tools import debian_program

RULES = "deploy/prometheus"


def test_the_rules_can_be_read() -> None:
    assert "SUCCESS" in run(debian_program("prometheus", "promtool"), "check", "rules", f"{RULES}/alerts.yml")


def test_each_alert_fires_and_no_other() -> None:
    assert "SUCCESS" in run(debian_program("prometheus", "promtool"), "test", "rules", f"{RULES}/alerts_test.yml")
