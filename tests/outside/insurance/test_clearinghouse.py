"""The clearinghouse as the service meets it: the sandbox's, and one that misbehaves on purpose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet, InvalidToken

from local.ports import free_port
from services.insurance.adapters import clearinghouse as module
from services.insurance.adapters.clearinghouse import Clearinghouse, Reply
from services.insurance.domain.asking import AskPayer, PayerAnswered
from services.insurance.sealing import Seal
from services.insurance.tasks import performers
from tests.outside.sandbox.world import served
from tests.unit.insurance.test_x12 import ABOUT_ANA, ABOUT_LEO, HOSPITAL, NOW, ODD, TRACE

Answering = Callable[[web.Request], web.StreamResponse]
SEAL = Seal(Fernet.generate_key().decode())


def question(member_id: str, **changes: object) -> AskPayer:
    inquiry = ABOUT_ANA.model_copy(update={"member_id": member_id} | changes)
    return AskPayer(patient_id="PT-1", coverage_id="COV-1", verification_id=TRACE, attempt=1, inquiry=inquiry)


@asynccontextmanager
async def clearinghouse_at(
    url: str, timeout_s: float = 20, calls_per_s: float = 1_000
) -> AsyncIterator[Clearinghouse]:
    clearinghouse = Clearinghouse(url, timeout_s, calls_per_s)
    try:
        yield clearinghouse
    finally:
        await clearinghouse.close()


async def ask(clearinghouse: Clearinghouse, task: AskPayer) -> PayerAnswered:
    how = performers(clearinghouse, HOSPITAL, SEAL, lambda: NOW, 1)[AskPayer]
    answered = await how.perform(task, "key")
    assert isinstance(answered, PayerAnswered)
    return answered


async def test_each_member_of_the_sandbox_is_answered_as_it_says(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        async with world.client.get("/") as found:
            url = str(found.url.with_path("/clearinghouse"))
        async with clearinghouse_at(url, timeout_s=1) as clearinghouse:
            told = {
                word: await ask(clearinghouse, question(f"{word}1"))
                for word in ("ACTIVE", "INACTIVE", "NOTFOUND", "BADDOB", "PAYERDOWN", "TIMEOUT", "GARBLED")
            }
            child = await ask(clearinghouse, question("ACTIVE2", dependent=ABOUT_LEO.dependent))

    assert {word: (one.result, one.codes or one.reason) for word, one in told.items()} | {"GARBLED": None} == {
        "ACTIVE": ("active", None),
        "INACTIVE": ("inactive", None),
        "NOTFOUND": ("rejected", ("75",)),
        "BADDOB": ("rejected", ("71",)),
        "PAYERDOWN": ("rejected", ("42",)),
        "TIMEOUT": ("unanswered", "timeout"),
        "GARBLED": None,
    }
    assert told["GARBLED"].result == "unanswered"
    assert child.result == "active"
    request, answer = told["ACTIVE"].request, told["ACTIVE"].answer
    assert request is not None and answer is not None  # noqa: PT018  # both
    assert SEAL.open(request.content).startswith("ISA*")
    assert "EB*1*" in SEAL.open(answer.content)
    assert b"ISA" not in request.content


async def test_what_was_asked_is_found_by_the_member_id_as_it_was_added(tmp_path: Path) -> None:
    members = ("active-a_b", "ACTIVE a*b~c:d^e`f", "Active-Äß 1", f"ACTIVE{ODD}", "ACTIVE")
    async with served(tmp_path) as world:
        async with world.client.get("/") as found:
            url = str(found.url.with_path("/clearinghouse"))
        async with clearinghouse_at(url) as clearinghouse:
            for member_id in members:
                assert (await ask(clearinghouse, question(member_id))).result == "active"
        for member_id in members:
            _, (asked,) = await world.get("/clearinghouse/requests", params={"member_id": member_id})
            _, again = await world.get("/clearinghouse/requests", params={"member_id": asked["member_id"]})
            assert again == [asked]


def test_only_who_holds_a_key_opens_what_was_kept() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    kept = Seal(old).close("ISA*é")
    assert Seal(f"{new},{old}").open(kept.content) == "ISA*é"
    with pytest.raises(InvalidToken):
        Seal(new).open(kept.content)
    with pytest.raises(ValueError, match="Fernet"):
        Seal("short")


@asynccontextmanager
async def answering(
    answer: Answering, timeout_s: float = 20, calls_per_s: float = 1_000
) -> AsyncIterator[tuple[Clearinghouse, list[str]]]:
    """Offer a clearinghouse that answers as the test wants, and the list of what reached it."""
    reached: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        reached.append(await request.text())
        return answer(request)

    app = web.Application()
    app.router.add_post("/", handle)
    server = TestServer(app)
    async with server, clearinghouse_at(str(server.make_url("/")), timeout_s, calls_per_s) as clearinghouse:
        yield clearinghouse, reached


def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (lambda _: web.Response(text="ISA"), Reply("ISA")),
        (lambda _: web.Response(body=b"\xef\xbb\xbfISA\xff"), Reply("ISA�")),
        (lambda _: web.Response(text="no", status=404), Reply("no", "unreadable_answer")),
        (lambda _: web.Response(status=302, headers={"Location": "/"}), Reply("", "unreadable_answer")),
        (lambda _: web.Response(body=b"x" * (module.ANSWER_BYTES_MAX + 1)), Reply(None, "unreadable_answer")),
        (lambda _: web.Response(status=429), Reply(None, sent=False)),
        (lambda _: web.Response(status=503), Reply(None, "payer_down")),
        (cut, Reply(None, "payer_down")),
    ],
)
async def test_whatever_comes_back_is_a_reply(answer: Answering, reply: Reply) -> None:
    async with answering(answer) as (clearinghouse, _):
        assert await clearinghouse.ask("SANDBOX01", "270") == reply


async def test_a_clearinghouse_that_is_not_there_is_not_reached() -> None:
    async with clearinghouse_at(f"http://127.0.0.1:{free_port()}") as clearinghouse:
        assert await clearinghouse.ask("SANDBOX01", "270") == Reply(None, "not_reached")


async def test_a_payer_that_fails_again_and_again_is_left_alone_and_others_are_not() -> None:
    def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503 if reached[-1] == "down" else 200)

    async with answering(answer) as (clearinghouse, reached):
        for _ in range(20):
            assert (await clearinghouse.ask("DOWN", "down")).failure == "payer_down"
        assert await clearinghouse.ask("DOWN", "down") == Reply(None, sent=False)
        assert (await clearinghouse.ask("UP", "up")).sent
        assert (len(reached), reached[-1]) == (21, "up")


async def test_a_payer_is_asked_no_more_often_than_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_WAIT_S", 0.05)
    async with answering(lambda _: web.Response(text="ISA"), calls_per_s=5) as (clearinghouse, reached):
        told = await asyncio.gather(*(clearinghouse.ask("SANDBOX01", "270") for _ in range(20)))
        assert 5 <= len(reached) < 8
        assert sum(one.sent for one in told) == len(reached)
        assert (await clearinghouse.ask("SANDBOX02", "270")).sent
