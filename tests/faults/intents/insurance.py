"""What gateways publish about insurance: people log in, add, change and remove coverages, and log out."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.events.topics import INSURANCE_COMMANDS, PORTAL_SESSIONS
from tests.faults.intents.hospital import payer
from tests.faults.intents.making import Intent, Json, Making
from tests.faults.intents.poison import Poison

_ADD: Final = "insurance.add-coverage.v1"
_MEMBERS: Final = {
    "ACTIVE": 70,
    "INACTIVE": 8,
    "NOTFOUND": 6,
    "BADDOB": 6,
    "PAYERDOWN": 6,
    "TIMEOUT": 2,
    "GARBLED": 2,
}
_NEVER_ENDED: Final = 0.1


@dataclass(slots=True)
class _Session:
    """Somebody who is logged in, and the coverages that they touched; each is touched once in a session."""

    session_id: str
    number: str
    touched: set[str] = field(default_factory=set)


class InsurancePart:
    """Sessions, and what patients do in them."""

    def __init__(self, making: Making, accounts: Sequence[str]) -> None:
        self._making = making
        self._random = making.random
        self._accounts = accounts
        self._sessions: list[_Session] = []
        self._coverages: dict[str, list[str]] = defaultdict(list)

    def opening(self) -> Sequence[Intent]:
        """Return nothing: patients come later."""
        return ()

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is published without rest."""
        return {self._start: 8, self._act: 20, self._end: 8}

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of poison."""
        fact = "portal.session-ended.v1"
        making, patient = self._making, self._patient
        return Poison(making, INSURANCE_COMMANDS, PORTAL_SESSIONS, _ADD, fact, patient, self._act).kinds()

    def closing(self) -> Sequence[Intent]:
        """Return the end of all sessions."""
        return [self._ended(session) for session in self._sessions]

    def _patient(self) -> str:
        return f"M-{self._random.choice(self._accounts)}"

    def _start(self) -> Intent:
        session = _Session(f"S-{self._making.number()}", self._random.choice(self._accounts))
        self._sessions.append(session)
        person = f"P-{session.number}"
        data = {"session_id": session.session_id, "person_id": person}
        return self._making.fact(PORTAL_SESSIONS, "portal.session-started.v1", person, data)

    def _end(self) -> Intent:
        """End a session; some are ended by a closed tab, of which nobody hears."""
        if not self._sessions:
            return self._start()
        session = self._sessions.pop(self._random.randrange(len(self._sessions)))
        return self._start() if self._random.random() < _NEVER_ENDED else self._ended(session)

    def _ended(self, session: _Session) -> Intent:
        person = f"P-{session.number}"
        data = {"session_id": session.session_id, "person_id": person, "reason": "logout"}
        return self._making.fact(PORTAL_SESSIONS, "portal.session-ended.v1", person, data)

    def _act(self) -> Intent:
        if not self._sessions:
            return self._start()
        session = self._random.choice(self._sessions)
        there = [one for one in self._coverages[session.number] if one not in session.touched]
        kinds: list[Callable[[_Session, str], Intent]] = [self._add, self._change, self._remove]
        does = self._random.choices(kinds, [60, 25, 15])[0]
        return does(session, self._random.choice(there)) if there else self._add(session)

    def _add(self, session: _Session, _: str = "") -> Intent:
        serial = self._making.number()
        coverage_id = f"C-{serial}"
        self._coverages[session.number].append(coverage_id)
        about = {
            **payer(serial),
            "member_id": self._member(),
            "subscriber": {"first_name": "Ada", "last_name": "Lovelace", "birth_date": "1980-02-03"},
            "relationship": self._random.choice(["self", "self", "child"]),
        }
        return self._command("add-coverage", session, coverage_id, about)

    def _change(self, session: _Session, coverage_id: str) -> Intent:
        changed = {"change_id": f"CH-{self._making.number()}", "changes": {"member_id": self._member()}}
        return self._command("request-change", session, coverage_id, changed)

    def _remove(self, session: _Session, coverage_id: str) -> Intent:
        self._coverages[session.number].remove(coverage_id)
        return self._command("remove-coverage", session, coverage_id, {})

    def _member(self) -> str:
        word = self._random.choices(list(_MEMBERS), list(_MEMBERS.values()))[0]
        return f"{word}{self._making.number()}"

    def _command(self, kind: str, session: _Session, coverage_id: str, about: Json) -> Intent:
        session.touched.add(coverage_id)
        patient = f"M-{session.number}"
        data = {
            "coverage_id": coverage_id,
            "patient_id": patient,
            "session_id": session.session_id,
            **about,
        }
        actor = f"patient:P-{session.number}"
        return self._making.command(INSURANCE_COMMANDS, f"insurance.{kind}.v1", patient, actor, data)
