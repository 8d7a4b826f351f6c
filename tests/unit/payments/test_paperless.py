"""Who gets the statements of an account without paper."""

from shared.events.notifications import Alerts, PaperlessEnded, PaperlessEnrolled
from tests.unit.payments.story import NUMBER, events, owing, when


def enrolled(person_id: str) -> PaperlessEnrolled:
    alerts = Alerts(email="contact-1")
    return PaperlessEnrolled(person_id=person_id, account_number=NUMBER, alerts=alerts, text_version="v1")


def ended(person_id: str) -> PaperlessEnded:
    return PaperlessEnded(person_id=person_id, account_number=NUMBER, reason="asked")


def test_each_person_is_paperless_from_enrolment_to_its_end() -> None:
    both = when(when(owing(V1=100), enrolled("P-1")).state, enrolled("P-2"))
    left = when(both.state, ended("P-1"))

    assert both.state.paperless == {"P-1", "P-2"}
    assert left.state.paperless == {"P-2"}
    assert events(both) == events(left) == []
    assert when(left.state, ended("P-1")).state.paperless == {"P-2"}


def test_an_enrolment_may_be_heard_of_before_the_account() -> None:
    assert when(None, enrolled("P-1")).state.paperless == {"P-1"}
