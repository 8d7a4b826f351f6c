"""What a payer's reject codes (AAA03 of a 271) mean, and who has to act.

The code alone decides; AAA04 (what to do next) does not, for payers send 80 with "do not resubmit".
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

Verdict = Literal["undetermined", "needs-patient", "needs-staff", "as-subscriber", "as-of-today"]


class Rejection(NamedTuple):
    """Who has to act, and why.

    `as-subscriber`: ask once more about the dependent as if they held the plan. `as-of-today`: once more as of the
    payer's today, for a payer may answer for no day to come.
    """

    verdict: Verdict
    reason: str


REASONS: Final = {
    "42": "payer_down",
    "80": "payer_down",
    "58": "birth_date_wrong",
    "71": "birth_date_wrong",
    "72": "member_id_invalid",
    "73": "name_wrong",
    "75": "member_not_found",
    "76": "duplicate_member",
    "64": "dependent_not_found",
    "65": "dependent_not_found",
    "66": "dependent_not_found",
    "67": "dependent_not_found",
    "68": "dependent_not_found",
    "77": "dependent_not_found",
    "78": "not_in_plan",
    "62": "date_not_allowed",
    "63": "date_not_allowed",
    "79": "payer_not_supported",
    "04": "provider_not_enrolled",
    "41": "provider_not_enrolled",
    **dict.fromkeys(("43", "44", "45", "46", "47", "48", "49", "50", "51"), "provider_not_enrolled"),
    "T4": "payer_not_supported",
}
"""The reason that is told for each code; one that is not known is `rejected`, for staff to look at."""

HINTS: Final = {
    "payer_down": "The payer's system is down; it is asked again by itself.",
    "timeout": "The payer did not answer in time; it is asked again by itself.",
    "not_reached": "The clearinghouse cannot be reached; it is asked again by itself.",
    "unreadable_answer": "What came back is no 271; look at it, and call the payer if it stays so.",
    "truncated_answer": "The answer ends in the middle; look at it, and call the payer if it stays so.",
    "no_status": "The answer says neither active nor inactive; read it, or call the payer.",
    "answer_mismatched": "The answer is about somebody else; tell the clearinghouse.",
    "birth_date_wrong": "The payer has another date of birth.",
    "member_id_invalid": "The payer does not accept the member id.",
    "name_wrong": "The payer has another name.",
    "member_not_found": "The payer does not know this member.",
    "duplicate_member": "The payer has several members of this id.",
    "dependent_not_found": "The payer does not find the patient under this subscriber.",
    "not_in_plan": "The member is in none of the payer's plans.",
    "date_not_allowed": "The payer answers for other dates only.",
    "payer_not_supported": "The clearinghouse does not reach this payer; check the payer id.",
    "provider_not_enrolled": "The hospital is not enrolled with this payer.",
    "rejected": "The payer rejects the question for a reason of its own; see its codes.",
    "unknown_payer": "Choose the payer from the directory.",
}
"""What each reason means to staff, and what to do."""

_DOWN: Final = frozenset({"42", "80"})
_DEPENDENT: Final = frozenset({"64", "65", "66", "67", "68", "77", "78"})
_PATIENT: Final = frozenset({"58", "71", "72", "73", "75", "76"})
_DATE: Final = frozenset({"62", "63"})


def judge(codes: Sequence[str], *, dependent: bool, to_come: bool) -> Rejection:
    """Return what codes mean together, of an inquiry about a `dependent` or about who holds the plan.

    The day that it is about is still `to_come` where the payer is, or has come.

    That the payer is down comes first: all else that it says then is worth nothing.
    """
    for group, verdict in (
        (_DOWN, "undetermined"),
        (_PATIENT, "needs-patient"),
        (_DEPENDENT, "as-subscriber" if dependent else "needs-patient"),
        (_DATE, "as-of-today" if to_come else "needs-staff"),
    ):
        for code in codes:
            if code in group:
                return Rejection(verdict, REASONS[code])  # type: ignore[arg-type]  # the literals above
    return Rejection("needs-staff", next((REASONS[code] for code in codes if code in REASONS), "rejected"))
