"""What wants a person's attention, put together from all services; each thing with one button.

A service that does not answer takes nothing from the page but its own part.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from portal.calls import aside
from portal.language import N_, _, day, gettext, money
from portal.visitors import PersonAtPage
from shared.paths import segment

Json = dict[str, Any]
Tone = Literal["danger", "warning", "info", "success"]

_BILLS: Final = N_("Your bills cannot be shown right now.")
_INSURANCE: Final = N_("Your insurance cannot be shown right now.")
_MESSAGES: Final = N_("Your messages cannot be shown right now.")
_CONTACTS: Final = N_("Your contacts cannot be shown right now.")


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing: since when, what it is, and where one does something about it."""

    at: str
    tone: Tone
    icon: str
    title: str
    text: str
    href: str
    label: str


async def matters(person: PersonAtPage) -> tuple[list[Matter], list[str], Json]:
    """Return what wants attention, newest first, sentences about what cannot be shown, and the bills."""
    found: list[Matter] = []
    missing: list[str] = []
    answers = await asyncio.gather(
        *(aside(person.get(service, path)) for _words, service, path, _read in _SOURCES)
    )
    for (words, _service, _path, read), answer in zip(_SOURCES, answers, strict=True):
        if answer is None:
            missing.append(gettext(words))
        else:
            found += read(answer)
    found.sort(key=lambda matter: matter.at, reverse=True)
    bills = answers[0] or {"accounts": []}
    return found, missing, bills


def _of_bills(summary: Json) -> Iterator[Matter]:
    for account in summary["accounts"]:
        statement = account["newest_statement"]
        for payment in account["payments_in_progress"]:
            yield Matter(
                payment["created_at"],
                "info",
                "clock",
                _("A payment is being worked on"),
                _("%(amount)s, nothing for you to do.")
                % {"amount": money(payment["amount_minor"], payment["currency"])},
                f"/payments/{segment(payment['payment_id'])}",
                _("See how it stands"),
            )
        for plan in account["plans"]:
            yield from _of_plan(plan)
        if account["payable_minor"] > 0:
            yield _to_pay(account, statement)


def _of_plan(plan: Json) -> Iterator[Matter]:
    """Tell of the parts that want to be paid; of a paused plan nothing is due."""
    if plan["status"] != "active":
        return
    for part in plan["instalments"]:
        if part["status"] in ("due", "failed"):
            due = part["status"] == "due"
            yield Matter(
                part["due_on"],
                "warning" if due else "danger",
                "calendar",
                _("A part of your plan is due") if due else _("A part of your plan was not paid"),
                f"{money(part['amount_minor'], plan['currency'])} · {day(part['due_on'])}",
                f"/pay/{segment(plan['account_number'])}?plan={segment(plan['plan_id'])}",
                _("Pay now"),
            )


def _to_pay(account: Json, statement: Json | None) -> Matter:
    owed = money(account["payable_minor"], account["currency"])
    name = f"{account['guarantor']['first_name']} {account['guarantor']['last_name']}"
    text = _("%(owed)s, due by %(day)s") % {"owed": owed, "day": day(statement["due_on"])} if statement else owed
    at = statement["issued_on"] if statement else _newest_visit(account)
    title = _("Bill for %(name)s") % {"name": name}
    return Matter(at, "warning", "bill", title, text, f"/pay/{segment(account['account_number'])}", _("Pay now"))


def _newest_visit(account: Json) -> str:
    return max((visit["visit_date"] or "" for visit in account["visit_accounts"]), default="")


_COVERAGE_NEEDS: Final[dict[str, tuple[Tone, str, str]]] = {
    "needs-patient": (
        "danger",
        N_("Your insurer did not recognize you"),
        N_("Please check what we have on file."),
    ),
    "undetermined": ("info", N_("Your insurance could not be checked yet"), N_("We keep trying by ourselves.")),
    "inactive": ("warning", N_("Your insurer says this plan is not active"), N_("Do you have another one?")),
}


def _of_coverages(coverages: list[Json]) -> Iterator[Matter]:
    for coverage in coverages:
        if needs := _COVERAGE_NEEDS.get(coverage["status"]):
            tone, title, text = needs
            about = f"{coverage['payer_name']} · {coverage['patient_name']}. {gettext(text)}"
            href = f"/insurance/{segment(coverage['coverage_id'])}"
            yield Matter(coverage["updated_at"], tone, "shield", gettext(title), about, href, _("Look at it"))


def _of_threads(threads: list[Json]) -> Iterator[Matter]:
    for thread in threads:
        if thread["state"] == "answered":
            title = _("There is an answer for you")
            href = f"/messages/{segment(thread['thread_id'])}"
            yield Matter(thread["updated_at"], "success", "mail", title, thread["subject"], href, _("Read it"))


def _of_preferences(preferences: Json) -> Iterator[Matter]:
    for contact in preferences["contacts"]:
        if contact["status"] in ("pending", "refused"):
            pending = contact["status"] == "pending"
            title = _("Confirm your contact") if pending else _("We could not reach you")
            label = _("Enter the code") if pending else _("Look at it")
            href = f"/settings/contacts/{segment(contact['contact_id'])}"
            at = contact.get("code_sent_at" if pending else "refused_at") or ""
            yield Matter(at, "warning", "phone", title, contact["address"], href, label)
    for account in preferences["accounts"]:
        if not account["paperless"]:
            text = _("Statements of account %(number)s, here instead of in the mail.") % {
                "number": account["account_number"]
            }
            href = f"/paperless/{segment(account['account_number'])}"
            yield Matter("", "success", "leaf", _("Go paperless"), text, href, _("Sign up"))


Read = Callable[[Any], Iterator[Matter]]
_SOURCES: Final[tuple[tuple[str, str, str, Read], ...]] = (
    (_BILLS, "payments", "/v1/billing-summary", _of_bills),
    (_INSURANCE, "insurance", "/v1/coverages", _of_coverages),
    (_MESSAGES, "inbox", "/v1/threads", _of_threads),
    (_CONTACTS, "notifications", "/v1/preferences", _of_preferences),
)
