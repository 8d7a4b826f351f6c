"""The made-up people: who can log in, and who appears in the scenarios."""

from dataclasses import dataclass
from datetime import date

from shared.events.vocabulary import Sex

PASSWORD = "demo"  # noqa: S105 - the login page shows it


@dataclass(frozen=True)
class Person:
    """Somebody who may log in (`person_id`) and may be treated (`patient_id`): two kinds of id."""

    key: str
    first_name: str
    last_name: str
    birth_date: date
    sex: Sex = "unknown"
    postal_code: str = "10001"
    time_zone: str = "America/New_York"
    language: str = "en"

    @property
    def person_id(self) -> str:
        """The id of the person's login."""
        return f"sbx-person-{self.key}"

    @property
    def patient_id(self) -> str:
        """The id of the person's chart."""
        return f"sbx-patient-{self.key}"


MARIA = Person("maria", "Maria", "Sandoval", date(1988, 4, 17), "female", "60614", "America/Chicago")
LEO = Person("leo", "Leo", "Sandoval", date(2018, 9, 2), "male", "60614", "America/Chicago")
JAMES = Person("james", "James", "Okafor", date(1961, 1, 30), "male", "10027")
GRACE = Person("grace", "Grace", "Okafor", date(1964, 11, 8), "female", "10027")
SOFIA = Person("sofia", "Sofía", "Núñez-O'Brien", date(1979, 6, 21), "female", "85004", "America/Phoenix", "es")
HAROLD = Person("harold", "Harold", "Whitlock", date(1949, 12, 5), "male", "98101", "America/Los_Angeles")


@dataclass(frozen=True)
class User:
    """A login, and what its tokens say. Patients have no role: a gateway acts for them."""

    username: str
    name: str
    about: str
    subject: str
    roles: tuple[str, ...] = ()
    person_id: str | None = None


def patient_user(person: Person, about: str) -> User:
    """Return the login of a patient."""
    name = f"{person.first_name} {person.last_name}"
    return User(person.key, name, about, f"person:{person.person_id}", person_id=person.person_id)


def _staff(username: str, name: str, *roles: str) -> User:
    return User(username, name, f"staff, {', '.join(roles)}", f"staff:{username}", roles)


USERS = {
    user.username: user
    for user in (
        patient_user(MARIA, "patient; acts and pays for her son Leo too"),
        patient_user(JAMES, "patient; his wife Grace sees his account too"),
        patient_user(GRACE, "patient, and proxy for James"),
        patient_user(SOFIA, "patient; reads Spanish"),
        _staff("ann", "Ann Archer", "billing"),
        _staff("bob", "Bob Bishop", "billing"),
        _staff("carl", "Carl Cooper", "crm"),
        _staff("ines", "Ines Ibarra", "insurance"),
        _staff("drew", "Drew Dalton", "clinical"),
        _staff("sam", "Sam Sutter", "clinical-support"),
        _staff("sue", "Sue Saunders", "supervisor"),
        _staff("omar", "Omar Osei", "ops"),
    )
}
"""Leo is a child and Harold never signed up: he pays as a guest."""
