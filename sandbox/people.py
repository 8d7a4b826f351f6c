"""The made-up people: who can log in, and who appears in the scenarios."""

from dataclasses import dataclass

PASSWORD = "demo"  # noqa: S105 - the login page shows it


@dataclass(frozen=True)
class Person:
    """Somebody who may log in (`person_id`) and may be treated (`patient_id`): two kinds of id."""

    key: str
    first_name: str
    last_name: str

    @property
    def person_id(self) -> str:
        """The id of the person's login."""
        return f"sbx-person-{self.key}"

    @property
    def patient_id(self) -> str:
        """The id of the person's chart."""
        return f"sbx-patient-{self.key}"


MARIA = Person("maria", "Maria", "Sandoval")
LEO = Person("leo", "Leo", "Sandoval")
JAMES = Person("james", "James", "Okafor")
GRACE = Person("grace", "Grace", "Okafor")
SOFIA = Person("sofia", "Sofía", "Núñez-O'Brien")
HAROLD = Person("harold", "Harold", "Whitlock")


@dataclass(frozen=True)
class User:
    """A login, and what its tokens say. Patients have no role: a gateway acts for them."""

    username: str
    name: str
    about: str
    subject: str
    roles: tuple[str, ...] = ()
    person_id: str | None = None


def _patient(person: Person, about: str) -> User:
    name = f"{person.first_name} {person.last_name}"
    return User(person.key, name, about, f"person:{person.person_id}", person_id=person.person_id)


def _staff(username: str, name: str, *roles: str) -> User:
    return User(username, name, f"staff, {', '.join(roles)}", f"staff:{username}", roles)


USERS = {
    user.username: user
    for user in (
        _patient(MARIA, "patient; pays for herself and her son Leo"),
        _patient(JAMES, "patient; his wife Grace sees his account too"),
        _patient(GRACE, "patient, and proxy for James"),
        _patient(SOFIA, "patient"),
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
