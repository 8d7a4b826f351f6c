"""Everything in containers: it starts by itself, plays the demo, scales, and outlives a death."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from shared.events.topics import SERVICES
from tests.containers.compose import Project
from tests.containers.load import load

PROCESSES = 3
TURNS, TURN_OF_DEATH = 12, 4


async def get(address: str, host: str | None = None) -> tuple[int, str]:
    """Return status and body of a GET; `host` as a browser would name the machine."""
    headers = {"host": host} if host else {}
    async with aiohttp.ClientSession() as http, http.get(address, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_answers_on_this_machine(running: Project, service: str) -> None:
    status, body = await get(running.address(service) + "/health/ready")
    assert status == HTTPStatus.OK, body
    assert json.loads(body)["ok"]


async def test_the_portal_shows_its_pages(running: Project) -> None:
    port = running.environment["PORTAL_HTTP_PORT"]
    status, page = await get(f"http://127.0.0.1:{port}/", host=f"portal.localhost:{port}")
    assert status == HTTPStatus.OK
    assert "<html" in page


def test_a_program_runs_as_nobody_special_on_a_file_system_that_it_cannot_change(running: Project) -> None:
    for service in (*SERVICES, "portal", "sandbox"):
        told = running.inspect(running.containers(service)[0])
        assert told["HostConfig"]["ReadonlyRootfs"]
        assert told["HostConfig"]["Memory"] > 0
        assert told["Config"]["User"] == "10001"
        # Secrets are files: nobody reads them in an environment.
        assert not [value for value in told["Config"]["Env"] if "postgresql://" in value or "_SECRET=" in value]


def test_the_demo_ends_well(running: Project) -> None:
    played = running.compose("run", "--rm", "demo", within_s=900)
    print(played)  # noqa: T201  # for whoever reads the run
    assert "✗" not in played
    assert "In the end" in played


def test_migrations_may_run_again_and_at_once(running: Project) -> None:
    def migrate(_: int) -> str:
        return running.compose("run", "--rm", "--no-deps", "payments-migrate")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, range(3)))


async def test_three_share_the_load_and_one_dies_in_the_middle(running: Project) -> None:
    running.up("--scale", f"payments={PROCESSES}", "--no-recreate")
    kafka = f"127.0.0.1:{running.environment['PUBLISHED_KAFKA_PORT']}"
    members = running.containers("payments")
    assert len(members) == PROCESSES
    async with load(kafka, running.address("sandbox", int(running.environment["SANDBOX_HTTP_PORT"]))) as work:
        await work.open_accounts()
        for turn in range(TURNS):
            await work.pay(turn)
            if turn == TURN_OF_DEATH:
                await asyncio.to_thread(running.engine.docker, "kill", members[0])
        await work.all_have_outcomes()
        assert all(len(ends) == 1 for ends in work.outcomes().values())
        assert work.accepted()

        async def all_succeeded() -> bool:
            return work.accepted() == work.succeeded()

        await work.until("every accepted payment has succeeded", all_succeeded)
        charged = await work.charged()
    ours = {payment: times for payment, times in charged.items() if payment.startswith("load-")}
    assert ours == dict.fromkeys(work.accepted(), 1)
    assert len(running.containers("payments")) == PROCESSES - 1
    print(f"{len(work.asked)} commands, {len(ours)} charges, each once; one of {PROCESSES} died")  # noqa: T201


def test_a_signal_reaches_the_program_which_ends_orderly(running: Project) -> None:
    running.up("--scale", f"payments={PROCESSES}", "--no-recreate")
    one = running.containers("payments")[0]
    running.engine.docker("stop", "--time", "40", one)
    state: dict[str, Any] = running.inspect(one)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
