"""The sandbox's clearinghouse: what it takes, what it remembers, and how it can be made slow."""

import time
from datetime import UTC, datetime

import pytest

from sandbox.clearinghouse import answer
from sandbox.x12 import NoQuestionError, read_question
from tests.outside.sandbox.world import World

QUESTION = """\
ISA*00*          *00*          *ZZ*PORTAL         *ZZ*SANDBOX        *260302*1500*^*00501*000000001*0*P*:~
GS*HS*PORTAL*SANDBOX*20260302*1500*1*X*005010X279A1~
ST*270*0001*005010X279A1~
BHT*0022*13*T-1*20260302*1500~
HL*1**20*1~
NM1*PR*2*SANDBOX01*****PI*SANDBOX01~
HL*2*1*21*1~
NM1*1P*2*HOSPITAL*****XX*1234567893~
HL*3*2*22*0~
TRN*1*T-1*9123456789~
NM1*IL*1*TESTA*ADA****MI*MEMBER~
DMG*D8*19840229~
DTP*291*D8*20260302~
EQ*30~
SE*13*0001~
GE*1*1~
IEA*1*000000001~
"""


def about(member_id: str, payer_id: str = "SANDBOX01") -> str:
    return QUESTION.replace("MEMBER", member_id).replace("SANDBOX01", payer_id)


async def ask(world: World, member_id: str, payer_id: str = "SANDBOX01") -> str:
    async with world.client.post("/clearinghouse", data=about(member_id, payer_id)) as found:
        assert found.status == 200
        return await found.text()


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("ACTIVE-1", "EB*1*IND*30"),
        ("inactive-1", "EB*6*IND*30"),
        ("NOTFOUND1", "AAA*N**75*C~"),
        ("BADDOB1", "AAA*N**71*C~"),
        ("anybody", "AAA*N**75*C~"),
    ],
)
async def test_the_member_id_chooses_the_answer(world: World, member: str, said: str) -> None:
    told = await ask(world, member)
    assert said in told
    assert "TRN*2*T-1*" in told
    assert f"SE*{told.count('~') - 4}*" in told


async def test_a_payer_that_it_does_not_reach_is_told(world: World) -> None:
    assert "AAA*N**79*C~" in await ask(world, "ACTIVE", "ELSEWHERE")


async def test_a_payer_that_is_down_is_up_again_after_a_while(world: World) -> None:
    assert "AAA*N**42*C~" in await ask(world, "PAYERDOWN1")
    await world.advance(50)
    assert "AAA*N**42*C~" in await ask(world, "PAYERDOWN1")
    await world.advance(20)
    assert "EB*1*" in await ask(world, "PAYERDOWN1")
    assert "AAA*N**42*C~" in await ask(world, "PAYERDOWN2")


async def test_garbled_answers_are_none_that_can_be_trusted(world: World) -> None:
    told = [await ask(world, f"GARBLED{number}") for number in range(12)]
    assert any(one.startswith("<html>") for one in told)
    assert any("ST*999*" in one for one in told)
    assert any("IEA" not in one and one.startswith("ISA") for one in told)


async def test_every_question_is_remembered(world: World) -> None:
    await ask(world, "ACTIVE-1")
    await ask(world, "NOTFOUND1")

    _, every = await world.get("/clearinghouse/requests")
    assert [(one["member_id"], one["answer"]) for one in every] == [
        ("ACTIVE-1", "ACTIVE"),
        ("NOTFOUND1", "NOTFOUND"),
    ]
    _, (one,) = await world.get("/clearinghouse/requests?member_id=ACTIVE-1")
    assert (one["trace"], one["payer_id"], one["dependent"]) == ("T-1", "SANDBOX01", None)
    assert one["subscriber"] == {"last_name": "TESTA", "first_name": "ADA", "birth_date": "19840229"}


async def test_answers_take_as_long_as_they_are_told_to(world: World) -> None:
    assert (await world.post("/clearinghouse/behaviour", {"latency_s": 0.2}))[0] == 200
    started = time.perf_counter()
    await ask(world, "ACTIVE")
    assert time.perf_counter() - started >= 0.2
    assert (await world.post("/clearinghouse/behaviour", {"latency_s": 2, "latency_max_s": 1}))[0] == 422


@pytest.mark.parametrize("text", ["", "hello", QUESTION[:300], QUESTION.replace("SE*13", "SE*12")])
async def test_what_is_no_270_is_refused(world: World, text: str) -> None:
    async with world.client.post("/clearinghouse", data=text) as found:
        assert found.status == 400
    with pytest.raises(NoQuestionError):
        read_question(text)


def test_the_same_member_always_has_the_same_benefits() -> None:
    question, now = read_question(about("ACTIVE-7")), datetime(2026, 3, 2, tzinfo=UTC)
    assert answer(question, "ACTIVE", now) == answer(question, "ACTIVE", now)
    assert answer(question, "ACTIVE", now) != answer(read_question(about("ACTIVE-8")), "ACTIVE", now)
