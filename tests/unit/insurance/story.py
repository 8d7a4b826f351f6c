"""Made-up messages about patients and sessions, and a hospital in memory that hears them batch by batch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from services.insurance.domain import Named, State, named_by, state_key
from services.insurance.domain.asking import AskPayer, PayerAnswered
from services.insurance.domain.patient import Coverage, Patient
from services.insurance.domain.session import Session
from services.insurance.handlers import INSURANCE
from shared.events.envelope import Command, Data, Message, message_of
from shared.events.insurance import (
    AddCoverage,
    Benefit,
    CoverageChanges,
    DecideChange,
    RemoveCoverage,
    RequestChange,
    SetPriority,
    VerifyAgain,
)
from shared.events.portal import SessionEnded, SessionStarted
from shared.events.registration import CoverageOnFile, PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled
from shared.events.vocabulary import Subscriber
from shared.messaging.decision import Decision, Event, Task

PATIENT, PERSON, PROXY, OTHER = "PT-1", "P-1", "P-2", "P-9"
SELF, STAFF = f"patient:{PERSON}", "staff:ines"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANA = Subscriber(first_name="Ana", last_name="Núñez", birth_date=date(1984, 2, 29))
ACTIVE_BENEFIT = Benefit(
    kind="active", level="individual", network="any", period="year", service_type="30", reported=True
)

_ids = count(1)


def message(data: Data, *, at: datetime = NOW, actor: str = SELF, **envelope_: Any) -> Message[Data]:
    subject = getattr(data, "patient_id", None) or getattr(data, "person_id", PERSON)
    told: dict[str, Any] = {"id": f"m-{next(_ids)}", "source": "test", "subject": subject} | envelope_
    return message_of(data, time=at, actor=actor, **told)


def registered(**changes: Any) -> PatientRegistered:
    told: dict[str, Any] = {
        "patient_id": PATIENT,
        "person_id": PERSON,
        "first_name": "Ana",
        "last_name": "Núñez",
        "birth_date": ANA.birth_date,
        "sex": "female",
        "postal_code": "99501",
        "affiliate": "north",
        "time_zone": "America/Chicago",
        "language": "en",
        "proxies": (PROXY,),
    }
    return PatientRegistered(**told | changes)


def on_file(**changes: Any) -> CoverageOnFile:
    told: dict[str, Any] = {
        "patient_id": PATIENT,
        "coverage_id": "COV-H",
        "payer_id": "SANDBOX02",
        "payer_name": "Harbor Mutual",
        "plan_name": "Gold",
        "member_id": "ACTIVE-H",
        "subscriber": ANA,
        "relationship": "self",
        "priority": 1,
        "effective_from": date(2025, 1, 1),
    }
    return CoverageOnFile(**told | changes)


def add(coverage_id: str = "COV-1", session_id: str = "S-1", **changes: Any) -> AddCoverage:
    asked: dict[str, Any] = {
        "coverage_id": coverage_id,
        "patient_id": PATIENT,
        "session_id": session_id,
        "payer_id": "SANDBOX01",
        "payer_name": "Sandbox Health Plan",
        "plan_name": "Silver",
        "member_id": f"ACTIVE-{coverage_id}",
        "subscriber": ANA,
        "relationship": "self",
    }
    return AddCoverage(**asked | changes)


def change(
    change_id: str = "CHG-1", coverage_id: str = "COV-1", session_id: str = "S-2", **more: Any
) -> RequestChange:
    asked: dict[str, Any] = {
        "change_id": change_id,
        "coverage_id": coverage_id,
        "patient_id": PATIENT,
        "session_id": session_id,
        "base_version": 1,
        "changes": CoverageChanges(member_id=f"ACTIVE-{change_id}"),
    }
    return RequestChange(**asked | more)


def remove(coverage_id: str = "COV-1", **more: Any) -> RemoveCoverage:
    asked = {"coverage_id": coverage_id, "patient_id": PATIENT, "session_id": "S-1"}
    return RemoveCoverage(**asked | more)


def decision(change_id: str = "CHG-1", word: Any = "accept", **more: Any) -> DecideChange:
    return DecideChange(**{"change_id": change_id, "patient_id": PATIENT, "decision": word} | more)


def verify_again(coverage_id: str = "COV-1") -> VerifyAgain:
    return VerifyAgain(coverage_id=coverage_id, patient_id=PATIENT)


def set_priority(*coverage_ids: str) -> SetPriority:
    return SetPriority(patient_id=PATIENT, coverage_ids=coverage_ids)


def session_started(session_id: str = "S-1", person_id: str = PERSON) -> SessionStarted:
    return SessionStarted(session_id=session_id, person_id=person_id)


def session_ended(session_id: str = "S-1", person_id: str = PERSON) -> SessionEnded:
    return SessionEnded(session_id=session_id, person_id=person_id, reason="logout")


def booked(starts_at: datetime, appointment_id: str = "A-1") -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=appointment_id,
        patient_id=PATIENT,
        provider_id="D-1",
        affiliate="north",
        starts_at=starts_at,
    )


def cancelled(appointment_id: str = "A-1") -> AppointmentCancelled:
    return AppointmentCancelled(appointment_id=appointment_id, patient_id=PATIENT)


def answer(task: AskPayer, result: Any = "active", **said: Any) -> PayerAnswered:
    if result == "active":
        said.setdefault("benefits", (ACTIVE_BENEFIT,))
    return PayerAnswered(
        patient_id=task.patient_id,
        coverage_id=task.coverage_id,
        verification_id=task.verification_id,
        attempt=task.attempt,
        result=result,
        **said,
    )


Payer = Callable[[AskPayer], PayerAnswered]


class Hospital:
    """Insurance in memory: loads, decides and commits batches as the kit and the store do, with no I/O.

    What it `told` are events with their outcome; `asked` are the questions that reached the payer.
    """

    def __init__(self, payer: Payer = answer) -> None:
        self.payer = payer
        self.now = NOW
        self.told: list[Event] = []
        self.asked: list[AskPayer] = []
        self.due: list[tuple[datetime, int, Data, str]] = []
        self._states: dict[str, State] = {}

    def hear(self, *batch: Data | Message[Data], actor: str = SELF) -> list[Event]:
        """Decide about a batch in one transaction; return what was told because of it."""
        messages = [one if isinstance(one, Message) else message(one, at=self.now, actor=actor) for one in batch]
        return self._commit(messages)

    def _commit(self, messages: Iterable[Message[Any]]) -> list[Event]:
        messages = list(messages)
        named = named_by(messages)
        loaded: dict[str, State | None] = {state_key(one): self._load(state_key(one), named) for one in messages}
        told: list[Event] = []
        for one in messages:
            decided = self.decide(loaded[state_key(one)], one)
            outcomes = [event for event in decided.events if event.outcome]
            assert len(outcomes) == isinstance(one.data, Command), "one outcome for each command"
            loaded[state_key(one)] = decided.state
            told += decided.events
            for task in decided.tasks:
                self._put(task, one.subject)
        for key, state in loaded.items():
            if state is not None:
                self._states[key] = self._whole(state)
        self.told += told
        return told

    def decide(self, state: State | None, heard: Message[Any]) -> Decision[State]:
        return INSURANCE.decide(state, heard, self.now)

    def _load(self, key: str, named: Named) -> State | None:
        """Return a state with what is loaded of it for these messages, and no more."""
        state = self._states.get(key)
        if isinstance(state, Patient):
            changes = {change_id for _, change_id in named.changes}
            wanted = {
                key: one for key, one in state.changes.items() if one.status == "requested" or key in changes
            }
            asked = named.verifications | {one.verification_id for one in wanted.values()}
            ended = (one for one in self._states.values() if isinstance(one, Session) and one.ended_at is not None)
            return Patient(
                state.patient_id,
                state.registered,
                state.coverages,
                wanted,
                {key: one for key, one in state.verifications.items() if one.is_open or key in asked},
                {key: one for key, one in state.appointments.items() if key in named.appointments},
                {key: one for key, one in state.work.items() if one.is_open or key in named.work},
                ended_sessions=frozenset(one.session_id for one in ended),
            )
        if isinstance(state, Session):
            waiting = [
                one.patient_id
                for one in self._states.values()
                if isinstance(one, Patient) and _waits(one, state.session_id)
            ]
            return replace(state, waiting=tuple(waiting))
        return state

    def _whole(self, state: State) -> State:
        """Return a state together with what was not loaded of it."""
        if not isinstance(state, Patient):
            return state
        there = self._states.get(f"patient:{state.patient_id}", state)
        assert isinstance(there, Patient)
        return replace(
            state,
            changes={**there.changes, **state.changes},
            verifications={**there.verifications, **state.verifications},
            appointments={**there.appointments, **state.appointments},
            work={**there.work, **state.work},
        )

    def _put(self, task: Task, subject: str) -> None:
        self.due.append((task.due_at or self.now, next(_ids), task.data, subject))

    def settle(self, ahead: timedelta = timedelta()) -> None:
        """Let time pass, and do what becomes due on the way, in its order."""
        until = self.now + ahead
        while self.due and min(self.due)[:1] <= (until,):
            first = min(self.due, key=lambda one: one[:2])
            self.due.remove(first)
            due_at, _, data, subject = first
            self.now = max(self.now, due_at)
            if isinstance(data, AskPayer):
                self.asked.append(data)
                data = self.payer(data)
            self._commit([message(data, at=self.now, actor="service:insurance", subject=subject)])
        self.now = until

    @property
    def patient(self) -> Patient:
        found = self._states[f"patient:{PATIENT}"]
        assert isinstance(found, Patient)
        return found

    def coverage(self, coverage_id: str = "COV-1") -> Coverage:
        return self.patient.coverages[coverage_id]

    def coming(self, *kinds: type[Data]) -> list[Any]:
        """Return the tasks of these kinds that are yet to be done."""
        return [data for _, _, data, _ in self.due if isinstance(data, kinds)]

    def said(self, kind: type[Data]) -> list[Any]:
        """Return what was told of a kind, in its order."""
        return [event.data for event in self.told if isinstance(event.data, kind)]


def _waits(patient: Patient, session_id: str) -> bool:
    waiting = {one.waiting_session for one in patient.coverages.values()}
    return session_id in waiting | {one.waiting_session for one in patient.changes.values()}


def outcome(told: Iterable[Event]) -> tuple[str | None, str | None]:
    """Return how a command ended: `done` or `refused`, and the reason."""
    (ended,) = (event for event in told if event.outcome)
    return ended.outcome, getattr(ended.data, "reason", None) if ended.outcome == "refused" else None


def hospital(*told: Data, payer: Payer = answer) -> Hospital:
    """Return a hospital that knows the patient, and heard all this."""
    made = Hospital(payer)
    made.hear(registered(), actor="host:registration")
    for one in told:
        made.hear(one)
    return made


def active(*coverage_ids: str) -> Hospital:
    """Return a hospital whose coverages were added in one session and verified."""
    world = hospital(*(add(one) for one in coverage_ids or ("COV-1",)), session_ended())
    world.settle()
    return world


def on_its_own(coverage: Coverage) -> tuple[str, int, str]:
    return coverage.content.member_id, coverage.version, coverage.status


def payer(*results: str | tuple[str, ...]) -> Payer:
    """Return a payer that answers so in turn, and the last for ever: a result, or reject codes."""
    turns: Iterator[str | tuple[str, ...]] = iter(results)
    last: list[str | tuple[str, ...]] = []

    def say(task: AskPayer) -> PayerAnswered:
        last[:] = [next(turns, last[0] if last else "active")]
        said = last[0]
        if isinstance(said, tuple):
            return answer(task, "rejected", codes=said)
        return answer(task, said, reason={"unanswered": "timeout", "unclear": "no_status"}.get(said))

    return say


def asked(*results: str | tuple[str, ...]) -> Hospital:
    """Return a hospital whose only coverage was asked about."""
    world = hospital(add(), session_ended(), payer=payer(*results))
    world.settle()
    return world
