"""Writes a 270: who asks which payer about whom, as of which day; only what it takes to find the person."""

import unicodedata
from datetime import date, datetime
from typing import Final, NamedTuple

from services.insurance.domain.patient import Inquiry
from shared.events.vocabulary import Subscriber

_VERSION: Final = "005010X279A1"
_LONGEST_NAME: Final = 60
_LONGEST_FIRST_NAME: Final = 35
_KEPT: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -'.,/()&")
_KEPT_IN_IDS: Final = _KEPT | frozenset('!"#$%+;<=>?@[\\]_{|}')
"""All that X12 allows in a text, but for lower case and what separates."""


class Provider(NamedTuple):
    """Who asks: the hospital, and what it and the clearinghouse are called on the envelope."""

    name: str
    npi: str
    sender_id: str
    receiver_id: str


def plain(text: str, kept: frozenset[str] = _KEPT) -> str:
    """Return a text in the letters that every payer takes: upper case without accents or separators."""
    letters = unicodedata.normalize("NFKD", text).upper()
    return " ".join("".join(c if c in kept else "" if unicodedata.combining(c) else " " for c in letters).split())


def last_name(name: str) -> str:
    """Return a last name as it is sent, and so comes back: cut to what the segment holds."""
    return plain(name)[:_LONGEST_NAME]


def _day(day: date) -> str:
    return day.strftime("%Y%m%d").zfill(8)


def write(inquiry: Inquiry, trace: str, provider: Provider, now: datetime) -> str:
    """Return the interchange; `trace` (at most 50 letters) is what the answer has to echo."""
    control = f"{int(trace[:12], 16) % 10**9:09}"
    body = [
        ["ST", "270", "0001", _VERSION],
        ["BHT", "0022", "13", trace, now.strftime("%Y%m%d"), now.strftime("%H%M")],
        ["HL", "1", "", "20", "1"],
        ["NM1", "PR", "2", plain(inquiry.payer_id), "", "", "", "", "PI", plain(inquiry.payer_id)],
        ["HL", "2", "1", "21", "1"],
        ["NM1", "1P", "2", plain(provider.name)[:_LONGEST_NAME], "", "", "", "", "XX", provider.npi],
        ["HL", "3", "2", "22", "1" if inquiry.dependent else "0"],
    ]
    asked = [
        ["DTP", "291", "D8", _day(inquiry.service_date)],
        ["EQ", "30"],
    ]
    # An id is the payer's own: unlike a name, it is what it is with every sign in it.
    member_id = plain(inquiry.member_id, _KEPT_IN_IDS)
    subscriber = [*_name("IL", inquiry.subscriber), "", "", "", "MI", member_id]
    trn = ["TRN", "1", trace, f"9{provider.npi[:9]}"]
    if inquiry.dependent is None:
        body += [trn, subscriber, _birth(inquiry.subscriber), *asked]
    else:
        body += [subscriber, ["HL", "4", "3", "23", "0"], trn]
        body += [_name("03", inquiry.dependent), _birth(inquiry.dependent), *asked]
    body.append(["SE", str(len(body) + 1), "0001"])
    moment = [now.strftime("%y%m%d"), now.strftime("%H%M")]
    sender, receiver = plain(provider.sender_id)[:15], plain(provider.receiver_id)[:15]
    isa = ["ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{sender:15}", "ZZ", f"{receiver:15}", *moment]
    isa += ["^", "00501", control, "0", "P", ":"]
    gs = ["GS", "HS", sender, receiver, now.strftime("%Y%m%d"), moment[1], "1", "X", _VERSION]
    lines = [isa, gs, *body, ["GE", "1", "1"], ["IEA", "1", control]]
    return "".join("*".join(line).rstrip("*") + "~" for line in lines)


def _name(entity: str, person: Subscriber) -> list[str]:
    return ["NM1", entity, "1", last_name(person.last_name), plain(person.first_name)[:_LONGEST_FIRST_NAME]]


def _birth(person: Subscriber) -> list[str]:
    return ["DMG", "D8", _day(person.birth_date)]
