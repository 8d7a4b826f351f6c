"""Insurance's tables: what is written is found, and two processes never miss each other's half of a session."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from local.infrastructure import Endpoints
from services.insurance import reads, store
from services.insurance.app import APPLICATION
from services.insurance.domain.asking import AskPayer, PayerAnswered, Sealed
from services.insurance.domain.coverage import SESSION_GIVEN_UP_AFTER
from services.insurance.domain.patient import Patient
from services.insurance.domain.session import GatherSession, SubmitSession
from shared.database import Pool, connect
from shared.migrations import upgrade
from tests.flow.insurance_batches import handle, handle_within, names
from tests.flow.kit import eventually
from tests.flow.statements import plan_of, statements
from tests.unit.insurance.story import (
    NOW,
    STAFF,
    add,
    answer,
    booked,
    change,
    decision,
    message,
    on_file,
    outcome,
    registered,
    remove,
    session_ended,
)


@pytest.fixture(scope="module", name="pool")
async def migrated(infrastructure: Endpoints) -> AsyncIterator[Pool]:
    url = infrastructure.databases["insurance"]
    await upgrade(url, APPLICATION.revisions)
    pool = await connect(url)
    yield pool
    await pool.close()


def ids() -> dict[str, Any]:
    """Return ids of a patient and a session that no other test has."""
    name = next(names)
    return {"patient_id": f"PT-S{name}", "session_id": f"S-{name}"}


async def state_of(pool: Pool, patient_id: str) -> Patient:
    """Return a patient as the next batch finds it."""
    (decided,) = await handle(pool, registered(patient_id=patient_id))
    assert isinstance(decided.state, Patient)
    return decided.state


async def test_what_a_batch_ends_in_is_what_the_next_one_finds(pool: Pool) -> None:
    own = ids()
    cov, chg, host = (f"{kind}-{own['session_id']}" for kind in ("COV", "CHG", "HOST"))
    about = {"patient_id": own["patient_id"]}
    decided = await handle(
        pool,
        registered(**about),
        on_file(coverage_id=host, **about),
        add(cov, member_id="ACTIVE-1", card_attachment_ids=("ATT-1",), **own),
        change(chg, host, changes=change().changes, **own),
        booked(NOW + timedelta(days=9), f"A-{own['session_id']}").model_copy(update=about),
        SubmitSession(**own),
    )
    patient = decided[-1].state
    assert isinstance(patient, Patient)
    found = await state_of(pool, own["patient_id"])

    assert found.coverages == patient.coverages
    assert found.changes == patient.changes
    assert found.verifications == patient.verifications
    assert found.work == patient.work
    assert found.registered == patient.registered
    assert (found.history, found.exchanges, found.answers) == ((), (), ())


async def test_an_answer_is_kept_sealed_and_its_benefits_apart(pool: Pool) -> None:
    own = ids()
    cov = f"COV-{own['session_id']}"
    await handle(pool, registered(patient_id=own["patient_id"]), add(cov, **own))
    (submitted,) = await handle(pool, SubmitSession(**own))
    (ask,) = (task.data for task in submitted.tasks)
    assert isinstance(ask, AskPayer)
    sealed = Sealed(content=b"\0sealed", sha256=b"hash")

    said: PayerAnswered = answer(ask, request=sealed, answer=sealed)
    await handle(pool, said)
    await handle(pool, said)

    row = await pool.fetchrow(
        "select c.status, a.benefits from coverage c join payer_answer a on a.verification_id = c.answer_id"
        " where coverage_id = $1",
        cov,
    )
    assert row is not None
    assert row["status"] == "active"
    assert '"active"' in row["benefits"]
    kept = await pool.fetch("select * from payer_exchange where verification_id = $1", ask.verification_id)
    assert [(one["request"], one["answer_sha256"]) for one in kept] == [(b"\0sealed", b"hash")] * 2
    history = await pool.fetch("select what from coverage_history where coverage_id = $1 order by seq", cov)
    assert [one["what"] for one in history] == ["added", "verification-submitted", "verified-active"]


async def test_who_did_what_and_what_payers_said_cannot_be_changed(pool: Pool) -> None:
    own = ids()
    cov = f"COV-{own['session_id']}"
    await handle(pool, registered(patient_id=own["patient_id"]), add(cov, **own))
    await handle(pool, message(remove(cov, patient_id=own["patient_id"]), actor=STAFF))

    found = await reads.history(pool, cov)
    assert [(one.what, one.by, one.actor) for one in found] == [
        ("removed", "staff", STAFF),
        ("added", "patient", "patient:P-1"),
    ]
    for grows, column in (("coverage_history", "actor"), ("payer_exchange", "result"), ("read_log", "reader")):
        for change_of in (f"update {grows} set {column} = ''", f"delete from {grows}", f"truncate {grows}"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await pool.execute(change_of)


async def waits_for_a_lock(pool: Pool) -> bool:
    waits = (
        "select exists (select from pg_stat_activity"
        " where datname = current_database() and wait_event_type = 'Lock')"
    )
    return bool(await pool.fetchval(waits))


@pytest.mark.parametrize("known", [False, True], ids=["new session", "known session"])
@pytest.mark.parametrize("first", ["coverage", "end"])
async def test_a_coverage_and_the_end_of_its_session_taken_up_at_once_are_submitted(
    pool: Pool, first: str, known: bool
) -> None:
    own = ids()
    await handle(pool, registered(patient_id=own["patient_id"]))
    if known:
        await handle(pool, registered(patient_id=f"{own['patient_id']}-child"))
        theirs = own | {"patient_id": f"{own['patient_id']}-child"}
        await handle(pool, add(f"COV-{own['session_id']}-child", **theirs))
    added, ended = add(f"COV-{own['session_id']}", **own), session_ended(own["session_id"])
    one, other = (added, ended) if first == "coverage" else (ended, added)

    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        early = await handle_within(connection, one)
        later = asyncio.create_task(handle(pool, other))
        await eventually(lambda: waits_for_a_lock(pool), "the other waits")
        assert not later.done()
        await transaction.commit()
    tasks = [task for decided in (*early, *await later) for task in decided.tasks]

    # The end leaves a timer that gathers who waits; a coverage that comes after it is due at once.
    (gather,) = (task.data for task in tasks if isinstance(task.data, GatherSession))
    (gathered,) = await handle(pool, gather)
    assert SubmitSession(**own) in [task.data for task in gathered.tasks]
    (due_at,) = (task.due_at for task in tasks if isinstance(task.data, SubmitSession))
    assert due_at is not None
    assert (due_at <= NOW) == (first == "end")


async def test_a_coverage_and_the_end_of_its_session_in_one_batch_are_submitted(pool: Pool) -> None:
    own = ids()
    await handle(pool, registered(patient_id=own["patient_id"]))
    await handle(pool, session_ended(own["session_id"]), add(f"COV-{own['session_id']}", **own))
    (gathered,) = await handle(pool, GatherSession(session_id=own["session_id"]))
    assert [task.data for task in gathered.tasks] == [SubmitSession(**own)]
    (submitted, again) = await handle(pool, SubmitSession(**own), SubmitSession(**own))
    assert (len(submitted.tasks), len(again.tasks)) == (1, 0)
    (nobody,) = await handle(pool, GatherSession(session_id=own["session_id"]))
    assert nobody.tasks == ()


async def test_an_id_that_another_patient_has_used_is_a_conflict(pool: Pool) -> None:
    mine, theirs = ids(), ids()
    for own in (mine, theirs):
        await handle(pool, registered(patient_id=own["patient_id"]))
    cov = f"COV-{mine['session_id']}"
    await handle(pool, add(cov, **mine), change(f"CHG-{cov}", cov, **mine))

    (added,) = await handle(pool, add(cov, **theirs))
    (changed,) = await handle(pool, change(f"CHG-{cov}", cov, **theirs))
    (decided,) = await handle(pool, message(decision(f"CHG-{cov}", patient_id=theirs["patient_id"]), actor=STAFF))
    (removed,) = await handle(pool, remove(cov, patient_id=theirs["patient_id"]))

    reasons = [outcome(one.events)[1] for one in (added, changed, decided, removed)]
    assert reasons == ["idempotency_conflict", "idempotency_conflict", "not_found", "not_found"]


async def test_what_the_host_has_on_file_under_another_patients_id_is_work_and_the_coverage_stays(
    pool: Pool,
) -> None:
    mine, theirs = ids(), ids()
    cov = f"COV-{mine['session_id']}"
    await handle(
        pool, registered(patient_id=mine["patient_id"]), on_file(coverage_id=cov, patient_id=mine["patient_id"])
    )
    (told, _) = await handle(
        pool,
        on_file(coverage_id=cov, patient_id=theirs["patient_id"]),
        registered(patient_id=theirs["patient_id"]),
    )

    assert [event.data.TYPE for event in told.events] == ["insurance.work-raised.v1"]
    assert await reads.patient_of_coverage(pool, cov) == mine["patient_id"]
    assert await reads.patients(pool, [theirs["patient_id"]])
    (work,) = [one for one in await reads.work_list(pool, settled=False) if one.work.coverage_id == cov]
    assert (work.patient_id, work.work.kind) == (theirs["patient_id"], "coverage-of-another")


async def test_a_command_about_a_patient_nobody_has_heard_of_leaves_no_patient(pool: Pool) -> None:
    own = ids()
    (decided,) = await handle(pool, add(**own))
    assert outcome(decided.events) == ("refused", "not_found")
    assert not await pool.fetchval("select exists (select from patient where patient_id = $1)", own["patient_id"])


async def test_no_two_coverages_of_one_id_can_be_written(pool: Pool) -> None:
    own = ids()
    cov = f"COV-{own['session_id']}"
    await handle(pool, registered(patient_id=own["patient_id"]), add(cov, **own))
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute("insert into coverage select * from coverage where coverage_id = $1", cov)


async def test_sessions_and_appointments_are_forgotten_when_nothing_can_come_of_them(pool: Pool) -> None:
    own = ids()
    name = own["session_id"]
    await pool.execute(
        """
        insert into portal_session (session_id, ended_at, heard_at) values
            ($1 || '-ended', now() - interval '46 days', now() - interval '46 days'),
            ($1 || '-never-ended', null, now() - interval '46 days'),
            ($1 || '-lately', now() - interval '44 days', now() - interval '44 days')
        """,
        name,
    )
    await pool.execute(
        """
        insert into appointment (appointment_id, patient_id, starts_at, cancelled, told_at) values
            ('over', $1, now() - interval '366 days', false, now() - interval '400 days'),
            ('cancelled', $1, null, true, now() - interval '366 days'),
            ('to come', $1, now() + interval '1 day', false, now() - interval '400 days'),
            ('told lately', $1, now() - interval '400 days', false, now() - interval '1 day')
        """,
        own["patient_id"],
    )

    to_come = booked(NOW, f"A-{name}").model_copy(update={"patient_id": own["patient_id"]})
    await handle(pool, session_ended(f"{name}-now"), message(to_come, at=await pool.fetchval("select now()")))

    sessions = await pool.fetch("select session_id from portal_session where session_id like $1 || '-%'", name)
    assert {row["session_id"] for row in sessions} == {f"{name}-lately", f"{name}-now"}
    appointments = await pool.fetch(
        "select appointment_id from appointment where patient_id = $1", own["patient_id"]
    )
    assert {row["appointment_id"] for row in appointments} == {"to come", "told lately", f"A-{name}"}


async def test_a_session_that_was_forgotten_ends_again_as_one_that_nobody_has_heard_of(pool: Pool) -> None:
    own = ids()
    name = own["session_id"]
    await handle(pool, registered(patient_id=own["patient_id"]), session_ended(name))
    await pool.execute("delete from portal_session where session_id = $1", name)
    (added,) = await handle(pool, add(f"COV-{name}", **own))
    assert [task.due_at for task in added.tasks] == [NOW + SESSION_GIVEN_UP_AFTER]

    (ended,) = await handle(pool, session_ended(name))
    (gathered,) = await handle(pool, *(task.data for task in ended.tasks))
    assert [task.data for task in gathered.tasks] == [SubmitSession(**own)]


STATEMENTS = statements(store, reads)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_no_statement_reads_a_whole_table(pool: Pool, name: str) -> None:
    assert "Seq Scan" not in await plan_of(pool, STATEMENTS[name])
