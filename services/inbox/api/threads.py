"""What a person sees: the patients they act for, whom those may write to, and their threads."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from services.inbox.api.callers import Person, not_found, person_of, reading
from services.inbox.api.places import PAGE_MAX, After, Limit, ThreadPart, before, newest_before
from services.inbox.api.views import ThreadDetail, ThreadView, thread_detail, thread_view
from services.inbox.domain.patient import Reason, recipients
from services.inbox.domain.routing import PROVIDER
from services.inbox.domain.urgency import urgent_words
from services.inbox.persons import may_act, patients_of, threads_of
from services.inbox.reads import log_read, provider_names, show_thread
from services.inbox.store import read_patient
from shared.events.envelope import Id
from shared.routes import Now, ThePool

router = APIRouter(prefix="/v1", tags=["threads"])

OnePatient = Annotated[
    Id | None, Query(description="one of those whom the person acts for; without it, all or the first")
]


class ActedForView(BaseModel):
    """A patient for whom the person acts."""

    patient_id: str
    name: str
    relationship: Literal["self", "proxy"]


class RecipientView(BaseModel):
    """A provider whom the patient may write to, and why."""

    provider_id: str
    name: str
    why: Reason = Field(description="the strongest of the reasons")
    reasons: list[Reason]
    pool: str


@router.get("/patients")
async def patients(caller: Person, pool: ThePool) -> list[ActedForView]:
    """Show for whom the person may write, their own record first."""
    return [
        ActedForView(patient_id=one.patient_id, name=one.name, relationship="self" if one.own else "proxy")
        for one in await patients_of(pool, person_of(caller))
    ]


@router.get("/recipients")
async def recipients_of(
    caller: Person, pool: ThePool, now: Now, patient_id: OnePatient = None
) -> list[RecipientView]:
    """Show the providers whom a patient, or the person themself, may write to, the nearest first."""
    own = [one.patient_id for one in await patients_of(pool, person_of(caller))]
    if not own or patient_id not in (None, *own):
        raise not_found("patient")
    patient = await read_patient(pool, patient_id or own[0])
    if patient is None:
        raise not_found("patient")
    found = recipients(patient, now)
    names = await provider_names(pool, [one.provider_id for one in found])
    return [
        RecipientView(
            provider_id=one.provider_id,
            name=names.get(one.provider_id) or one.provider_id,
            why=one.reasons[0],
            reasons=list(one.reasons),
            pool=f"{PROVIDER}{one.provider_id}",
        )
        for one in found
    ]


class Draft(BaseModel):
    """A message that is being written."""

    subject: Annotated[str, Field(max_length=300)] = ""
    body: Annotated[str, Field(max_length=20_000)]


class Urgency(BaseModel):
    """Whether a message would be flagged: then say whom to call in an emergency, and let it be sent."""

    urgent: bool
    words: list[str]


@router.post("/urgency")
async def urgency(draft: Draft, _: Person) -> Urgency:
    """Show whether a message may mean danger, by the same rule that flags it for staff; nothing is kept."""
    words = urgent_words(draft.subject, draft.body)
    return Urgency(urgent=bool(words), words=list(words))


@router.get("/threads")
async def threads(
    caller: Person,
    pool: ThePool,
    response: Response,
    patient_id: OnePatient = None,
    limit: Limit = PAGE_MAX,
    after: After = None,
) -> list[ThreadView]:
    """Show a page of the threads of the patients for whom the person acts, or of one of them; newest first.

    If there are more, the header `Link` has the reference of the next page (`rel="next"`).
    """
    person = person_of(caller)
    own = [one.patient_id for one in await patients_of(pool, person)]
    if patient_id is not None:
        if patient_id not in own:
            raise not_found("patient")
        own = [patient_id]
    shown = await threads_of(pool, own, reading(person), newest_before(after), limit + 1)
    if len(shown) > limit:
        asked = {"limit": limit, "after": before(shown[limit - 1].item)}
        following = urlencode(asked | ({"patient_id": patient_id} if patient_id else {}))
        response.headers["link"] = f'<?{following}>; rel="next"'
    return [thread_view(one) for one in shown[:limit]]


@router.get("/threads/{thread_id}")
async def thread(
    thread_id: Id,
    caller: Person,
    pool: ThePool,
    now: Now,
    part: ThreadPart,
    unattended: Annotated[
        bool, Query(description="whether an open page asks by itself, so that an answer still counts as unread")
    ] = False,
) -> ThreadDetail:
    """Show a thread with its newest messages, or those before a part of them: an answer stays unread by that."""
    reader = person_of(caller)
    shown = await show_thread(pool, thread_id, reader, part)
    patient_id = shown.item.patient_id if shown else None
    if shown is None or patient_id is None or not await may_act(pool, patient_id, reader):
        raise not_found("thread")
    what = "thread-unattended" if unattended or part.is_earlier else "thread"
    await log_read(pool, now, reading(reader), what, thread_id, patient_id)
    return thread_detail(shown)
