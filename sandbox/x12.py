"""Reads a 270 and writes 271s: the payer's side, as far as the sandbox's payers know X12."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_VERSION: Final = "005010X279A1"


@dataclass(frozen=True)
class Person:
    """A person as the question names them; `birth_date` is as in X12, `YYYYMMDD`."""

    last_name: str
    first_name: str
    birth_date: str = ""


@dataclass(frozen=True)
class Question:
    """What a 270 asks: about the dependent, if there is one."""

    sender: str
    receiver: str
    trace: str
    payer_id: str
    npi: str
    member_id: str
    subscriber: Person
    dependent: Person | None
    service_date: str


class NoQuestionError(ValueError):
    """The text is no 270."""


def read_question(text: str) -> Question:
    """Read a 270.

    Raises:
        NoQuestionError: it is none.
    """
    text = text.strip()
    if not text.startswith("ISA*") or not text.endswith("~"):
        raise NoQuestionError("An interchange begins with ISA* and ends with ~.")
    segments = [piece.strip().split("*") for piece in text[:-1].split("~")]
    names = [segment[0] for segment in segments]
    whole = ["ST", "270"] in [segment[:2] for segment in segments] and "SE" in names and names[-1] == "IEA"
    if not whole:
        raise NoQuestionError("The interchange holds no whole 270.")
    counted = names.index("SE") - names.index("ST") + 1
    if segments[names.index("SE")][1:2] != [str(counted)]:
        raise NoQuestionError("SE does not count the segments.")
    try:
        return _question(segments)
    except (KeyError, IndexError, ValueError) as error:
        raise NoQuestionError("A segment that a 270 needs is missing.") from error


def _question(segments: Sequence[Sequence[str]]) -> Question:
    first: dict[str, Sequence[str]] = {}
    people: dict[str, Sequence[str]] = {}
    births: dict[str, str] = {}
    entity = ""
    for segment in segments:
        first.setdefault(segment[0], segment)
        if segment[0] == "NM1":
            entity = segment[1]
            people[entity] = segment
        elif segment[0] == "DMG":
            births[entity] = segment[2]
    il, dependent = people["IL"], people.get("03")
    return Question(
        sender=first["ISA"][6].strip(),
        receiver=first["ISA"][8].strip(),
        trace=first["TRN"][2],
        payer_id=people["PR"][9],
        npi=people["1P"][9],
        member_id=il[9],
        subscriber=Person(il[3], il[4], births.get("IL", "")),
        dependent=Person(dependent[3], dependent[4], births.get("03", "")) if dependent else None,
        service_date=first["DTP"][3],
    )


def write_answer(
    question: Question, now: datetime, *, rejects: Iterable[str] = (), benefits: Iterable[str] = ()
) -> str:
    """Return a 271 with reject codes (AAA03) or benefits (EB segments) about whom the question is."""
    said = [f"AAA*N**{code}*C" for code in rejects]
    eb = list(benefits)
    trn = f"TRN*2*{question.trace}*9{question.npi[:9]}"
    own = question.subscriber
    subscriber = f"NM1*IL*1*{own.last_name}*{own.first_name}****MI*{question.member_id}"
    body = [
        f"ST*271*0001*{_VERSION}",
        f"BHT*0022*11*{question.trace}*{now:%Y%m%d}*{now:%H%M}",
        "HL*1**20*1",
        f"NM1*PR*2*SANDBOX PAYER*****PI*{question.payer_id}",
        "HL*2*1*21*1",
        f"NM1*1P*2*PROVIDER*****XX*{question.npi}",
        f"HL*3*2*22*{int(question.dependent is not None)}",
    ]
    tail = [f"DTP*291*D8*{question.service_date}", *eb]
    if question.dependent is None:
        body += [trn, subscriber, *said, f"DMG*D8*{own.birth_date}", *tail]
    else:
        who = question.dependent
        named = f"NM1*03*1*{who.last_name}*{who.first_name}"
        body += [subscriber, "HL*4*3*23*0", trn, named, *said, f"DMG*D8*{who.birth_date}", *tail]
    body.append(f"SE*{len(body) + 1}*0001")
    isa = f"ISA*00*{'':10}*00*{'':10}*ZZ*{question.receiver:15}*ZZ*{question.sender:15}*{now:%y%m%d}*{now:%H%M}"
    head = [
        f"{isa}*^*00501*000000001*0*T*:",
        f"GS*HB*{question.receiver}*{question.sender}*{now:%Y%m%d}*{now:%H%M}",
    ]
    head[1] += f"*1*X*{_VERSION}"
    return "~\n".join([*head, *body, "GE*1*1", "IEA*1*000000001"]) + "~\n"
