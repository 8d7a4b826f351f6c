"""What the registration and scheduling hosts publish, which several services hear: patients and appointments.

Whose guarantor account is G-1 is the person P-G-1 and the patient M-G-1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from shared.events.topics import HOST_REGISTRATION, HOST_SCHEDULING
from tests.faults.intents.making import Intent, Json, Making

PROVIDERS: Final = 7
# Around the world, so that it is night for some of them at whatever hour the campaign runs.
_ZONES: Final = ("America/Chicago", "Europe/Berlin", "Asia/Tokyo", "Pacific/Honolulu", "Asia/Kolkata")
# Far ahead: an appointment that comes near would have coverages verified once more.
_VISITS: Final = ("2098-05-04T15:00:00+00:00", "2098-07-04T15:00:00+00:00")
_PAYERS: Final = ("SANDBOX01", "SANDBOX02", "SANDBOX03", "SANDBOX04")


class HospitalPart:
    """Patients, each with two providers and a coverage on file."""

    def __init__(self, making: Making, accounts: Sequence[str]) -> None:
        self._making = making
        self._random = making.random
        self._accounts = accounts

    def opening(self) -> Sequence[Intent]:
        """Return all that the hosts know."""
        return [
            intent
            for number in self._accounts
            for intent in (
                self._registered(number),
                self._booked(number, 0),
                self._booked(number, 1),
                self._on_file(number),
            )
        ]

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is told anew."""
        return {
            lambda: self._registered(self._account()): 2,
            lambda: self._booked(self._account(), self._random.randrange(2)): 2,
        }

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what no reader of these topics can use."""
        return (self._wrong, self._unknown, self._no_json)

    def closing(self) -> Sequence[Intent]:
        """Return nothing."""
        return ()

    def _account(self) -> str:
        return self._random.choice(self._accounts)

    def _registered(self, number: str) -> Intent:
        data: Json = {
            "patient_id": f"M-{number}",
            "person_id": f"P-{number}",
            "first_name": "Ada",
            "last_name": f"V{self._making.number()}",
            "birth_date": "1980-02-03",
            "sex": "female",
            "postal_code": "02139",
            "affiliate": "north",
            "time_zone": _ZONES[_serial(number) % len(_ZONES)],
            "language": "en",
            "proxies": [],
        }
        kind = "registration.patient-registered.v1"
        return self._making.fact(HOST_REGISTRATION, kind, f"M-{number}", data)

    def _booked(self, number: str, visit: int) -> Intent:
        data = {
            "appointment_id": f"AP-{number}-{visit}",
            "patient_id": f"M-{number}",
            "provider_id": provider(number, visit),
            "affiliate": "north",
            "starts_at": _VISITS[visit],
        }
        return self._making.fact(HOST_SCHEDULING, "scheduling.appointment-booked.v1", f"M-{number}", data)

    def _on_file(self, number: str) -> Intent:
        data: Json = {
            "patient_id": f"M-{number}",
            "coverage_id": f"CF-{number}",
            **payer(_serial(number)),
            "plan_name": "Silver",
            "member_id": f"ACTIVE-{number}",
            "subscriber": {"first_name": "Ada", "last_name": "Lovelace", "birth_date": "1980-02-03"},
            "relationship": "self",
            "priority": 1,
            "effective_from": "2025-01-01",
        }
        return self._making.fact(HOST_REGISTRATION, "registration.coverage-on-file.v1", f"M-{number}", data)

    def _wrong(self) -> Intent:
        data = {"patient_id": 12}
        kind = "registration.patient-registered.v1"
        key = f"M-{self._account()}"
        return self._making.fact(HOST_REGISTRATION, kind, key, data, fate="dead", id=None)

    def _unknown(self) -> Intent:
        key = f"M-{self._account()}"
        return self._making.fact(HOST_SCHEDULING, "scheduling.sing-song.v1", key, {}, fate="dead", id=None)

    def _no_json(self) -> Intent:
        topic = self._random.choice([HOST_REGISTRATION, HOST_SCHEDULING]).name
        return Intent(topic, f"M-{self._account()}", b"{", "dead")


def provider(number: str, visit: int) -> str:
    """Return the provider whom a patient sees first (0), or later (1)."""
    return f"D-{(_serial(number) + visit) % PROVIDERS}"


def payer(number: int) -> dict[str, str]:
    """Return one of the payers, as messages name it."""
    payer_id = _PAYERS[number % len(_PAYERS)]
    return {"payer_id": payer_id, "payer_name": f"Payer {payer_id}"}


def _serial(number: str) -> int:
    return int(number.removeprefix("G-"))
