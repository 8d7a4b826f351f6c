"""A small service behind the API, and what its answers are asked for."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import asyncpg
from aiohttp import ClientResponse
from fastapi import APIRouter, Body, Depends, FastAPI, UploadFile
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field, field_validator

from shared.auth import Caller, TokenVerifier, person, person_or_staff, public, staff
from shared.http import BODY_BYTES_MAX, Check, api
from shared.problems import Problem
from tests.unit.shared.servers import Identity, free_port

CARD = "4111111111111111"
ASYNCAPI = {
    "asyncapi": "3.0.0",
    "info": {"title": "Payments", "version": "1", "description": "What is <said>."},
    "channels": {"payments.commands.v1": {"address": "payments.commands.v1", "description": "from gateways"}},
    "operations": {
        "hear": {
            "action": "receive",
            "channel": {"$ref": "#/channels/payments.commands.v1"},
            "summary": "what <patients> do",
        }
    },
    "components": {
        "messages": {
            "submit": {"summary": "Pay <now>.", "payload": {"$ref": "#/components/schemas/SubmitPayment"}}
        },
        "schemas": {"SubmitPayment": {"type": "object", "description": "a <payment>"}},
    },
}


class Allocation(BaseModel):
    visit_account_number: uuid.UUID
    amount_minor: int = Field(gt=0)


class Payment(BaseModel, extra="forbid"):
    amount_minor: int = Field(gt=0)
    kind: Literal["card", "bank_account"] = "card"
    last4: str | None = None
    allocation: list[Allocation] = []
    by_visit: dict[str, int] = {}

    @field_validator("last4")
    @classmethod
    def _four_digits(cls, value: str) -> str:
        if len(value) != 4:
            raise ValueError(f"{value} are not four digits")
        return value


failing = APIRouter(prefix="/v1", dependencies=[Depends(public)])


@failing.get("/file")
async def file() -> bytes:
    return await asyncio.to_thread(Path("/no/such/file").read_bytes)


@failing.get("/late")
async def late() -> None:
    async with asyncio.timeout(0):
        await asyncio.Event().wait()


@failing.get("/database")
async def database() -> None:
    await asyncpg.connect(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")


forms = APIRouter(prefix="/v1")


@forms.delete("/me", dependencies=[Depends(public)])
async def forget() -> str:
    return "forgotten"


@forms.post("/forms", max_body_size=2 * BODY_BYTES_MAX)
async def form(file: UploadFile, caller: Annotated[Caller, Depends(staff("billing"))]) -> dict[str, Any]:
    return {"name": file.filename, "size": file.size, "subject": caller.subject}


@dataclass
class Service:
    """A small service behind the API, whose state the test sets."""

    checks: dict[str, Check] = field(default_factory=lambda: {"database": Check(ok=True, detail="answers")})
    hangs: bool = False
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    finish: asyncio.Event = field(default_factory=asyncio.Event)

    async def readiness(self) -> Mapping[str, Check]:
        if self.hangs:
            await asyncio.Event().wait()
        return self.checks

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1")

        @router.get("/me")
        async def me(caller: Annotated[Caller, Depends(person)]) -> dict[str, str | None]:
            return {"subject": caller.subject, "person": caller.on_behalf_of}

        @router.get("/work")
        async def work(caller: Annotated[Caller, Depends(staff("billing", "supervisor"))]) -> dict[str, str]:
            return {"subject": caller.subject}

        @router.get("/statements")
        async def statements(
            caller: Annotated[Caller, Depends(person_or_staff("billing"))],
        ) -> dict[str, str | None]:
            return {"person": caller.on_behalf_of}

        @router.post("/payments", dependencies=[Depends(public)])
        async def pay(payment: Payment) -> Payment:
            return payment

        @router.post("/uploads", dependencies=[Depends(public)], max_body_size=2 * BODY_BYTES_MAX)
        async def upload(content: Annotated[bytes, Body(media_type="application/octet-stream")]) -> int:
            return len(content)

        @router.get("/refused", dependencies=[Depends(public)])
        async def refused() -> None:
            raise Problem(409, "The account is closed.", reason="account_closed", account_version=3)

        @router.get("/broken/{account}", dependencies=[Depends(public)])
        async def broken(account: str) -> None:
            raise LookupError(f"no {account} with card {CARD}")

        @router.get("/accounts/{number}/visits/{visit}", dependencies=[Depends(public)])
        async def visit(number: str, visit: str) -> list[str]:
            return [number, visit]

        @router.get("/slow", dependencies=[Depends(public)])
        async def slow() -> str:
            self.entered.set()
            await self.finish.wait()
            return "done"

        return router

    def api(self, provider: Identity) -> FastAPI:
        return api(
            "Payments",
            "What patients owe & pay.",
            routers=[self.router(), failing, forms],
            verifier=TokenVerifier(provider.settings),
            readiness=self.readiness,
            registry=self.registry,
            asyncapi=ASYNCAPI,
        )


async def problem(response: ClientResponse, status: int) -> dict[str, Any]:
    """Return the problem document of an answer, which names the occurrence as its headers do."""
    assert response.status == status
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(await response.read())
    assert document["status"] == status
    assert document.pop("instance") == f"urn:uuid:{response.headers['correlation-id']}"
    return document


def bearer(token: str, **headers: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} | headers
