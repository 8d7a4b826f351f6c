"""Who an actor is."""

import pytest

from shared.events.actors import is_staff, person_in, service_in


@pytest.mark.parametrize(
    ("actor", "person", "staff", "service"),
    [
        ("patient:p-1", "p-1", False, None),
        ("proxy:p:1", "p:1", False, None),
        ("staff:ann", None, True, None),
        ("service:payments", None, False, "payments"),
        ("host:billing", None, False, None),
        ("guest", None, False, None),
    ],
)
def test_an_actor_is_a_person_or_staff_or_a_service_or_none_of_them(
    actor: str, person: str | None, staff: bool, service: str | None
) -> None:
    assert (person_in(actor), is_staff(actor), service_in(actor)) == (person, staff, service)
