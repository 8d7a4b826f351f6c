"""The compose file says of each program what a local start tells it."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.plan import PLAN, Addresses, Program
from shared.events.topics import SERVICES
from tests.containers.compose import Project

PROGRAMS = [program for stage in PLAN.stages for program in stage]
# The image has them: where to listen, and the files of others.
IN_THE_IMAGE = {"PORTAL_ASSETS_DIR"}


@pytest.fixture(name="described", scope="module")
def all_services(project: Project) -> dict[str, Any]:
    """Return the compose file as Compose reads it."""
    read: dict[str, dict[str, Any]] = json.loads(project.compose("config", "--format", "json"))
    return read["services"]


@pytest.mark.parametrize("program", [*PLAN.once, *PROGRAMS], ids=lambda program: program.name)
def test_a_program_runs_as_it_does_locally(program: Program, described: dict[str, Any]) -> None:
    ports = {name: 1 for other in PROGRAMS for name in other.listeners}
    databases = dict.fromkeys(SERVICES, "postgresql://u:p@h:1/d")
    local = {
        name for name in program.env(Addresses("kafka:1", databases, ports, Path("/"))) if "HTTP_H" not in name
    }
    there = described[program.name]
    targets = {Path(secret["target"]).name.upper() for secret in there.get("secrets", [])}
    assert there["command"][: 1 + len(program.arguments)] == [program.module, *program.arguments]
    if program.name != "create-topics":
        assert local - IN_THE_IMAGE - {"AUTH_AUDIENCE"} <= there["environment"].keys() | targets


def test_every_program_of_ours_is_fenced_in(described: dict[str, Any]) -> None:
    ours = [one for one in described.values() if one["image"] not in ("apache/kafka:4.3.0", "postgres:18")]
    assert len(ours) == len(PROGRAMS) + len(PLAN.once)
    for one in ours:
        assert one["read_only"]
        assert one["cap_drop"] == ["ALL"]
        assert one["deploy"]["resources"]["limits"]


def test_no_port_of_the_machine_keeps_a_service_from_scaling(described: dict[str, Any]) -> None:
    for service in SERVICES:
        assert all("published" not in port for port in described[service]["ports"])
        assert "container_name" not in described[service]
