"""A 271 that tells of several persons, or of another, gives a patient nothing of anybody else's."""

from datetime import date

import pytest

from services.insurance.domain.patient import Inquiry
from services.insurance.x12.meaning import Meaning, understand
from shared.events.vocabulary import Subscriber

TRACE, OTHERS = "0123456789abcdef0123456789abcdef", "ffffffffffffffffffffffffffffffff"
ANA = Subscriber(first_name="Ana", last_name="Núñez", birth_date=date(1984, 2, 29))
TIM = Subscriber(first_name="Tim", last_name="Núñez", birth_date=date(2015, 1, 1))
ABOUT_ANA = Inquiry(payer_id="SANDBOX01", member_id="M1", subscriber=ANA, service_date=date(2026, 3, 2))
ABOUT_TIM = ABOUT_ANA.model_copy(update={"dependent": TIM})

ISA = "ISA*00*          *00*          *ZZ*P              *ZZ*U              *260302*1500*^*00501*000000001*0*P*:~"
ECHO, ECHO_OF_ANOTHER = f"TRN*2*{TRACE}*9~", f"TRN*2*{OTHERS}*9~"
NAMED_ANA, NAMED_JONES = (
    "NM1*IL*1*NUNEZ*ANA****MI*M1~DMG*D8*19840229~",
    "NM1*IL*1*JONES*BOB****MI*M2~DMG*D8*19600101~",
)
NAMED_EVA, NAMED_TIM = "NM1*03*1*NUNEZ*EVA~DMG*D8*20120101~", "NM1*03*1*NUNEZ*TIM~DMG*D8*20150101~"
ACTIVE, INACTIVE = "EB*1*IND*30~EB*C*IND*30***23*999.00*****Y~", "EB*6*IND*30~"
NOT_FOUND, DOWN = "AAA*N**75*C~", "AAA*N**42*R~"
JONES = f"HL*3*2*22*0~{ECHO_OF_ANOTHER}{NAMED_JONES}{ACTIVE}"


def transaction(*levels: str, bht: str = TRACE, of_payer: str = "") -> str:
    payer = f"HL*1**20*1~NM1*PR*2*PAYER*****PI*SANDBOX01~{of_payer}"
    hospital = "HL*2*1*21*1~NM1*1P*2*HOSPITAL*****XX*1234567893~" if levels else ""
    top = f"ST*271*0001~BHT*0022*11*{bht}*20260302*1500~{payer}{hospital}"
    return f"{top}{''.join(levels)}SE*9*0001~"


def subscriber(said: str, *, named: str = NAMED_ANA, trace: str = ECHO) -> str:
    return f"HL*3*2*22*0~{trace}{named}{said}"


def dependent(said: str, *, named: str = NAMED_TIM, trace: str = ECHO) -> str:
    return f"HL*4*3*23*0~{trace}{named}{said}"


def meant(*transactions: str, about: Inquiry = ABOUT_ANA) -> Meaning:
    return understand(f"{ISA}GS*HB*P*U~{''.join(transactions)}GE*1*1~IEA*1*1~", about, TRACE)


@pytest.mark.parametrize(
    "transactions",
    [
        (transaction(JONES, bht=OTHERS), transaction(subscriber(INACTIVE))),
        (transaction(subscriber(INACTIVE)), transaction(JONES, bht=OTHERS)),
        (transaction(JONES, subscriber(INACTIVE)),),
        (transaction(subscriber(INACTIVE), JONES),),
        (transaction(subscriber(INACTIVE), JONES, bht=OTHERS),),
        (transaction(f"HL*3*2*22*0~{NAMED_JONES}{ACTIVE}{NAMED_ANA}{INACTIVE}"),),
        (transaction(subscriber(ACTIVE, trace=ECHO_OF_ANOTHER), subscriber(INACTIVE)),),
        (transaction(subscriber(INACTIVE, trace="TRN*2**9~")),),
        (transaction(subscriber(INACTIVE, trace="TRN*1*PAYERS-OWN*9~")),),
        (transaction(subscriber(INACTIVE, trace=f"TRN*1*{TRACE}*9~"), bht=OTHERS),),
    ],
)
def test_of_several_subscribers_only_the_one_that_was_asked_about_counts(transactions: tuple[str, ...]) -> None:
    meaning = meant(*transactions)
    assert meaning.result == "inactive"
    assert not [one for one in meaning.benefits if one.reported]


@pytest.mark.parametrize(
    "family",
    [
        (subscriber("", trace=""), dependent(ACTIVE, named=NAMED_EVA), dependent(INACTIVE)),
        (subscriber("", trace=""), dependent(INACTIVE), dependent(ACTIVE, named=NAMED_EVA)),
        (subscriber(ACTIVE), dependent(INACTIVE, trace="")),
        (subscriber(ACTIVE, trace=""), dependent(NOT_FOUND, named=NAMED_EVA), dependent(INACTIVE)),
        (subscriber(f"{ACTIVE}{NAMED_EVA}{ACTIVE}{NAMED_TIM}{INACTIVE}"),),
    ],
)
def test_of_a_family_only_the_dependent_who_was_asked_about_counts(family: tuple[str, ...]) -> None:
    meaning = meant(transaction(*family), about=ABOUT_TIM)
    assert meaning.result == "inactive"
    assert not [one for one in meaning.benefits if one.reported]


@pytest.mark.parametrize(
    "transactions",
    [
        (transaction(subscriber(ACTIVE)), transaction(subscriber(INACTIVE))),
        (transaction(subscriber(ACTIVE), subscriber(INACTIVE)),),
        (transaction(subscriber(ACTIVE, trace=ECHO_OF_ANOTHER)),),
        (transaction(JONES, subscriber(INACTIVE, named="NM1*IL*1*NUNEZ*EVA~DMG*D8*20120101~")),),
        (transaction(subscriber("", trace=""), dependent(ACTIVE, named="")),),
    ],
)
def test_an_answer_in_which_none_or_two_are_whom_we_asked_about_is_quarantined(
    transactions: tuple[str, ...],
) -> None:
    assert meant(*transactions).result == "mismatched"


@pytest.mark.parametrize(
    ("about", "levels", "codes"),
    [
        (ABOUT_ANA, (subscriber(NOT_FOUND),), ("75",)),
        (ABOUT_ANA, (subscriber(NOT_FOUND, named=""),), ("75",)),
        (ABOUT_ANA, (subscriber(NOT_FOUND, named="NM1*IL*1*****MI*M1~"),), ("75",)),
        (ABOUT_ANA, (JONES, subscriber(NOT_FOUND)), ("75",)),
        (ABOUT_ANA, (subscriber(f"EB*V~{DOWN}", named="NM1*IL*1*****MI*M1~"),), ("42",)),
        (ABOUT_ANA, (subscriber("AAA*N**71*C~", named="NM1*IL*1*NUNEZ*ANA~DMG*D8*19850301~"),), ("71",)),
        (ABOUT_ANA, (subscriber("AAA*N**73*C~", named="NM1*IL*1*NUNES*ANNE~"),), ("73",)),
        (ABOUT_TIM, (subscriber(NOT_FOUND),), ("75",)),
        (ABOUT_TIM, (subscriber(NOT_FOUND, trace=""), dependent("")), ("75",)),
        (ABOUT_TIM, (subscriber(""), dependent("AAA*N**67*C~", named="", trace="")), ("67",)),
    ],
)
def test_a_reject_of_whom_we_asked_about_counts_also_where_it_names_nobody(
    about: Inquiry, levels: tuple[str, ...], codes: tuple[str, ...]
) -> None:
    assert meant(transaction(*levels), about=about) == Meaning("rejected", codes=codes)


def test_who_is_named_once_more_is_still_one_person() -> None:
    again = f"{INACTIVE}EB*R**30*C1*MEDICARE~NM1*PR*2*MEDICARE~NM1*IL*1*NUNEZ*ANA****MI*Z9~"
    assert meant(transaction(subscriber(again))).result == "inactive"
    assert meant(transaction(subscriber(INACTIVE), subscriber(""))).result == "inactive"


def test_an_answer_that_says_nothing_of_anybody_is_unclear() -> None:
    assert meant(transaction()) == Meaning("unclear", "no_status")


def test_that_the_payer_rejects_all_is_said_of_everybody() -> None:
    assert meant(transaction(of_payer=DOWN)).codes == ("42",)
    assert meant(transaction(subscriber(NOT_FOUND), of_payer=DOWN)).codes == ("42", "75")
    assert meant(transaction(subscriber(""), dependent(""), of_payer=DOWN), about=ABOUT_TIM).codes == ("42",)


@pytest.mark.parametrize(
    "levels",
    [
        (subscriber(NOT_FOUND, named=NAMED_JONES),),
        (subscriber(NOT_FOUND, named="NM1*IL*1*NUNEZ*EVA~"),),
        (subscriber(NOT_FOUND, named="NM1*IL*1*NUNEZ*ANA~DMG*D8*19850301~"),),
        (subscriber(NOT_FOUND, trace=ECHO_OF_ANOTHER),),
        (subscriber(""), dependent(NOT_FOUND, named=NAMED_EVA)),
    ],
)
def test_a_reject_of_somebody_else_is_quarantined(levels: tuple[str, ...]) -> None:
    assert meant(transaction(*levels)).result == "mismatched"
    assert meant(transaction(JONES, *levels)).result == "mismatched"


def test_who_has_only_one_name_is_known_by_it() -> None:
    one = ABOUT_ANA.model_copy(update={"subscriber": ANA.model_copy(update={"last_name": ""})})
    for named, result in (("*ANA", "active"), ("*EVA", "mismatched"), ("NUNEZ*ANA", "mismatched")):
        said = subscriber(ACTIVE, named=f"NM1*IL*1*{named}~DMG*D8*19840229~")
        assert meant(transaction(said), about=one).result == result
