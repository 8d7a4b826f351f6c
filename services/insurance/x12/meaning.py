"""What a 271 means as an answer to our question: in force or not, neither, rejected, about another, or nothing."""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import product
from typing import Final, Literal, NamedTuple

from services.insurance.domain.patient import Inquiry
from services.insurance.x12 import answer as x12
from services.insurance.x12.inquiry import last_name, plain
from services.insurance.x12.segments import UnreadableError
from shared.events.insurance import Benefit, Benefits
from shared.events.vocabulary import AMOUNT_MINOR_MAX, Subscriber

BENEFITS_MAX: Final = 900
CODES_MAX: Final = 20
CURRENCY: Final = "USD"
PLAN: Final = "30"
"""The service type of the plan as a whole."""

Kind = Literal["deductible", "out_of_pocket", "copay", "coinsurance", "active"]
Network = Literal["in", "out", "any"]
Period = Literal["year", "remaining", "visit", "other"]

_ACTIVE: Final = frozenset("12345")
_INACTIVE: Final = frozenset("678")
_KINDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(_ACTIVE, "active"),
    "A": "coinsurance",
    "B": "copay",
    "C": "deductible",
    "G": "out_of_pocket",
}
_FAMILY: Final = frozenset({"FAM", "ESP", "ECH", "SPC", "DEP"})
_NETWORKS: Final[dict[str, Network]] = {"Y": "in", "N": "out"}
_PERIODS: Final[dict[str, Period]] = {"22": "year", "23": "year", "25": "year", "27": "visit", "29": "remaining"}
_USUAL: Final = tuple(
    Benefit(kind=kind, level=level, network=network, period=period, service_type=PLAN, reported=False)
    for kind, level, network, period in product(
        ("deductible", "out_of_pocket"), ("individual", "family"), ("in", "out"), ("year", "remaining")
    )
)
"""The deductibles and maxima that every plan has, as they stand where the payer says nothing about them."""

_PAYER_HAS_OTHER: Final = frozenset({"71", "73"})
"""Another birth date, or another name: some payers send back what they have."""
_LONGEST_PLAN: Final = 80
_CODE: Final = re.compile(r"[!-~]{1,64}")
_SENTINEL: Final = re.compile(r"9{5,}(\.(99?|00?))?")


class Meaning(NamedTuple):
    """As `PayerAnswered` has it."""

    result: Literal["active", "inactive", "rejected", "unclear", "unanswered", "mismatched"]
    reason: str | None = None
    codes: tuple[str, ...] = ()
    benefits: Benefits = ()
    plan: str | None = None


def understand(text: str, inquiry: Inquiry, trace: str) -> Meaning:
    """Return what a text means as the answer to an inquiry that was sent with `trace`."""
    try:
        parts = x12.read_answer(text)
    except UnreadableError as error:
        return Meaning("unanswered", error.reason)
    echoing = [part for part in parts if trace in part.traces]
    if echoing and not any(part.person or part.benefits or part.codes for part in parts):
        return Meaning("unclear", "no_status")
    about_us = [part for part in echoing if _about(part, inquiry)]
    # A person may be named once more where nothing is said of them.
    ours = [part for part in about_us if part.benefits or part.codes] or about_us
    if len(ours) != 1:
        # Of two that are both about the patient, nobody knows which one is the answer.
        return Meaning("mismatched")
    (own,) = ours
    status = _status(own.benefits)
    if status is not None:
        return Meaning(status, benefits=benefits(own.benefits), plan=_plan(own.benefits, status))
    codes = tuple(code for code in own.codes if _CODE.fullmatch(code))[:CODES_MAX]
    return Meaning("rejected", codes=codes) if codes else Meaning("unclear", "no_status")


def _about(part: x12.Part, inquiry: Inquiry) -> bool:
    """Tell whether a part of an answer is about whom we asked, and nobody else.

    One about a dependent names the dependent, or them alone as a subscriber: to some payers each member is one.
    A reject may name nobody, or no more than the subscriber who was not found, or be that the name is another.
    """
    is_reject = bool(part.codes) and _status(part.benefits) is None
    if is_reject and _PAYER_HAS_OTHER.intersection(part.codes):
        return True
    alike = _no_other if is_reject else _same
    subscriber = part.subscriber
    if subscriber is part.person:
        return alike(subscriber, inquiry.person) or (is_reject and alike(subscriber, inquiry.subscriber))
    if subscriber and not alike(subscriber, inquiry.subscriber):
        return False
    return alike(part.person, inquiry.person)


def _same(named: x12.Named, person: Subscriber) -> bool:
    """Tell whether who is named can be nobody but this person: a last name alone is a whole family's."""
    told = named.birth_date is not None or (_letters(named.first_name) and _letters(person.first_name))
    return bool(told) and _last(named) == _last(person) and _no_other(named, person)


def _no_other(named: x12.Named, person: Subscriber) -> bool:
    """Tell whether nothing that is named is another's."""
    if named.birth_date is not None and named.birth_date != person.birth_date:
        return False
    # Payers cut first names short, or add a middle one.
    firsts = _letters(named.first_name), _letters(person.first_name)
    alike = firsts[0].startswith(firsts[1]) or firsts[1].startswith(firsts[0])
    return alike and _last(named) in ("", _last(person))


def _last(person: x12.Named | Subscriber) -> str:
    return _letters(last_name(person.last_name))


def _letters(name: str) -> str:
    return "".join(c for c in plain(name) if c.isalnum())


def _status(found: Iterable[x12.Benefit]) -> Literal["active", "inactive"] | None:
    """Return whether the plan is in force: what is said of it as a whole counts before what is said of a part."""
    said = [one for one in found if one.information in _ACTIVE | _INACTIVE]
    whole = [one for one in said if _of_whole(one)]
    for group in (whole, said):
        if group:
            return "active" if any(one.information in _ACTIVE for one in group) else "inactive"
    return None


def _of_whole(one: x12.Benefit) -> bool:
    return PLAN in one.service_types or not one.service_types


def _plan(found: Iterable[x12.Benefit], status: Literal["active", "inactive"]) -> str | None:
    """Return what the payer calls the plan that it says is in force, or no longer is."""
    codes = _ACTIVE if status == "active" else _INACTIVE
    said = sorted((one for one in found if one.information in codes), key=lambda one: not _of_whole(one))
    names = ("".join(c for c in one.plan if c.isprintable()).strip()[:_LONGEST_PLAN] for one in said)
    return next(filter(None, names), None)


def benefits(found: Iterable[x12.Benefit]) -> Benefits:
    """Return what the summary shows, and for each of its usual places what was not reported."""
    told = tuple(dict.fromkeys(one for benefit in found for one in _benefits(benefit)))[:BENEFITS_MAX]
    return (*told, *_missing(told))


def _benefits(one: x12.Benefit) -> Iterator[Benefit]:
    kind = _KINDS.get(one.information)
    if kind is None:
        return
    amount_minor = _minor(one.amount) if kind not in ("active", "coinsurance") else None
    percent = _percent(one.fraction) if kind == "coinsurance" else None
    for service_type in one.service_types or (PLAN,):
        if _CODE.fullmatch(service_type):
            yield Benefit(
                kind=kind,
                level="family" if one.level in _FAMILY else "individual",
                network=_NETWORKS.get(one.network, "any"),
                period=_period(kind, one.period),
                amount_minor=amount_minor,
                currency=CURRENCY if amount_minor is not None else None,
                percent=percent,
                service_type=service_type,
                reported=kind == "active" or amount_minor is not None or percent is not None,
            )


def _period(kind: Kind, code: str) -> Period:
    if not code and kind in ("copay", "coinsurance"):
        return "visit"
    return _PERIODS.get(code, "year" if kind == "active" else "other")


def _minor(amount: Decimal | None) -> int | None:
    """Return money in minor units; payers write all nines where they mean that there is no limit."""
    if amount is None or amount < 0 or amount * 100 > AMOUNT_MINOR_MAX or _SENTINEL.fullmatch(f"{amount:f}"):
        return None
    return int((amount * 100).to_integral_value(ROUND_HALF_UP))


def _percent(fraction: Decimal | None) -> float | None:
    """Return 20 for a fifth; some payers write 20 themselves."""
    if fraction is None or not 0 <= fraction <= 100:  # noqa: PLR2004  # per cent
        return None
    return float(round(fraction * 100 if fraction <= 1 else fraction, 2))


def _missing(told: Iterable[Benefit]) -> Iterator[Benefit]:
    """Give those of the usual places that the payer said nothing about."""
    there = {(one.kind, one.level, one.network, one.period) for one in told if one.service_type == PLAN}
    for usual in _USUAL:
        kind, level, network, period = usual.kind, usual.level, usual.network, usual.period
        if (kind, level, network, period) not in there and (kind, level, "any", period) not in there:
            yield usual
