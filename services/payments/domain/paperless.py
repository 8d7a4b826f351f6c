"""Who gets the statements of an account without paper: what notifications says, kept to be shown."""

from services.payments.domain.account import GuarantorAccount
from shared.events.notifications import PaperlessEnded, PaperlessEnrolled
from shared.frozen import replace
from shared.messaging.decision import Decision


def hear_paperless(
    account: GuarantorAccount, told: PaperlessEnrolled | PaperlessEnded
) -> Decision[GuarantorAccount]:
    """Note that a person enrolled, or that an enrolment ended."""
    person = {told.person_id}
    enrolled = isinstance(told, PaperlessEnrolled)
    paperless = account.paperless | person if enrolled else account.paperless - person
    return Decision(replace(account, paperless=paperless))
