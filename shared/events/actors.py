"""Who an actor is, as the envelope names one: a kind, a colon and an id; guests have none."""


def person_in(actor: str) -> str | None:
    """Return the person who acts, for themself or for another."""
    kind, _, person_id = actor.partition(":")
    return person_id if kind in ("patient", "proxy") else None


def is_staff(actor: str) -> bool:
    """Tell whether somebody of the staff acts."""
    return actor.startswith("staff:")


def service_in(actor: str) -> str | None:
    """Return the service that acts by itself."""
    kind, _, service = actor.partition(":")
    return service if kind == "service" else None
