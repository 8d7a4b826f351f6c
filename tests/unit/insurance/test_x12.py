"""270s that a strict reader takes, and 271s that break every rule: nothing good is lost, nothing is made up."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from x12sdk.io import X12ModelReader

from services.insurance.domain.patient import Inquiry
from services.insurance.x12.inquiry import Provider, write
from services.insurance.x12.meaning import BENEFITS_MAX, Meaning, understand
from shared.events.insurance import Benefit
from shared.events.vocabulary import Subscriber

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
TRACE = "0123456789abcdef0123456789abcdef"
ANA = Subscriber(first_name="Ana", last_name="Núñez", birth_date=date(1984, 2, 29))
LEO = Subscriber(first_name="Leo", last_name="Núñez", birth_date=date(2015, 1, 1))
ABOUT_ANA = Inquiry(payer_id="SANDBOX01", member_id="ACTIVE1", subscriber=ANA, service_date=NOW.date())
ABOUT_LEO = ABOUT_ANA.model_copy(update={"dependent": LEO})
HOSPITAL = Provider("Our Hospital", "1234567893", "PORTAL", "CLEARINGHOUSE")

ODD = 'a_b#1+2=3;4?5!6@7%8<9>$"[0]{\\}|'

ANSWERS = sorted((Path(__file__).parent / "answers").glob("*.271"))

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=80)
people = st.builds(
    Subscriber,
    first_name=st.sampled_from(["Ana", "José", "O*~:^", "A" * 100]),
    last_name=st.sampled_from(["Núñez-O'Brien", "Sm~ith*", "Z" * 100]),
    birth_date=st.dates(date(1900, 1, 1), date(2026, 1, 1)),
)


def told(name: str) -> str:
    (path,) = (one for one in ANSWERS if one.stem.endswith(name))
    return path.read_bytes().decode("utf-8-sig")


def found(meaning: Meaning, **wanted: object) -> list[Benefit]:
    return [one for one in meaning.benefits if all(getattr(one, name) == value for name, value in wanted.items())]


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.stem)
def test_each_answer_means_what_its_name_says(path: Path) -> None:
    meaning = understand(path.read_bytes().decode("utf-8-sig"), ABOUT_ANA, TRACE)
    assert meaning.result == path.stem.partition("--")[0]
    assert bool(meaning.reason) == (meaning.result in ("unanswered", "unclear"))
    assert bool(meaning.codes) == (meaning.result == "rejected")


def test_there_are_enough_answers_that_break_rules() -> None:
    assert len(ANSWERS) > 40


def test_what_was_not_reported_is_told_as_such_and_never_as_nothing() -> None:
    meaning = understand(told("sentinel-amounts"), ABOUT_ANA, TRACE)

    for wanted in (
        {"kind": "out_of_pocket", "level": "family", "network": "in", "period": "year"},
        {"kind": "deductible", "level": "individual", "network": "in", "period": "year"},
        {"kind": "deductible", "level": "individual", "network": "out", "period": "remaining"},
        {"kind": "out_of_pocket", "level": "individual", "network": "out", "period": "remaining"},
    ):
        (one,) = found(meaning, **wanted)
        assert (one.reported, one.amount_minor) == (False, None)


@pytest.mark.parametrize(
    ("written", "amount_minor"),
    [
        *((nines, None) for nines in ("99999", "99999.9", "99999.99", "99999.0", "99999.00", "999999999.00")),
        ("9999.00", 999_900),
        ("99999.50", 9_999_950),
        ("99998.00", 9_999_800),
    ],
)
def test_all_nines_are_no_money_however_they_are_written(written: str, amount_minor: int | None) -> None:
    deductible = f"EB*C*IND*30***23*{written}*****Y~EB*1*"
    meaning = understand(told("--one-line").replace("EB*1*", deductible), ABOUT_ANA, TRACE)
    (one,) = found(meaning, kind="deductible", level="individual", network="in", period="year")
    assert (one.amount_minor, one.reported) == (amount_minor, amount_minor is not None)


def test_a_plan_that_is_in_force_beside_one_that_no_longer_is_is_active() -> None:
    for both in ("EB*6*IND*30~EB*1*", "EB*1*IND*30~EB*6*"):
        assert understand(told("--one-line").replace("EB*1*", both), ABOUT_ANA, TRACE).result == "active"


def test_repeated_and_unknown_service_types_are_kept() -> None:
    meaning = understand(told("unknown-service-types"), ABOUT_ANA, TRACE)
    assert [one.service_type for one in found(meaning, kind="active")] == ["30", "ZZ", "999"]
    (copay,) = found(meaning, kind="copay")
    assert (copay.service_type, copay.amount_minor, copay.network) == ("QQ", 1_000, "any")
    odd = understand(told("odd-separators"), ABOUT_ANA, TRACE)
    assert [one.service_type for one in found(odd, kind="active")] == ["30", "98"]


def test_an_empty_service_type_is_the_plan_as_a_whole() -> None:
    (deductible, *_) = found(understand(told("empty-eb03"), ABOUT_ANA, TRACE), kind="deductible")
    assert (deductible.service_type, deductible.amount_minor, deductible.period) == ("30", 50_000, "year")


@pytest.mark.parametrize(
    ("written", "percent"),
    [(".2", 20), ("0.125", 12.5), ("0", 0), ("1", 100), ("20", 20), ("101", None), ("-.2", None), ("", None)],
)
def test_a_coinsurance_is_told_in_per_cent_also_where_the_payer_writes_it_so(
    written: str, percent: float | None
) -> None:
    share = f"EB*A*IND*30*****{written}"
    meaning = understand(told("--one-line").replace("EB*1*", f"{share}~EB*1*"), ABOUT_ANA, TRACE)
    (one,) = found(meaning, kind="coinsurance")
    assert (one.percent, one.reported) == (percent, percent is not None)
    assert (one.period, one.amount_minor, one.currency) == ("visit", None, None)
    copay = understand(
        told("--one-line").replace("EB*1*", f"{share.replace('A', 'B', 1)}~EB*1*"), ABOUT_ANA, TRACE
    )
    assert {one.percent for one in copay.benefits} == {None}


def test_an_endless_list_of_benefits_is_cut() -> None:
    meaning = understand(told("thousands-of-benefits"), ABOUT_ANA, TRACE)
    assert BENEFITS_MAX <= len(meaning.benefits) <= 1_000


@pytest.mark.parametrize(
    ("said", "plan"),
    [
        ("EB*1*IND*30**GOLD PPO", "GOLD PPO"),
        ("EB*6*IND*30**GOLD PPO", "GOLD PPO"),
        ("EB*1*IND*88**DRUGS~EB*1*IND*30**GOLD", "GOLD"),
        ("EB*6*IND*30**OLD~EB*1*IND*30**NEW", "NEW"),
        ("EB*1*IND*30~EB*1*IND*98**CARE", "CARE"),
        ("EB*1*IND*30~EB*C*IND*30**OTHER*23*500", None),
        (f"EB*1*IND*30**A\x01{'B' * 100}", f"A{'B' * 79}"),
    ],
)
def test_the_plan_is_what_the_payer_calls_the_one_that_it_says_is_in_force_or_was(
    said: str, plan: str | None
) -> None:
    answered = told("--one-line").replace("EB*1*IND*30**GOLD", said)
    assert said in answered
    assert understand(answered, ABOUT_ANA, TRACE).plan == plan


def test_the_codes_are_the_payers() -> None:
    assert understand(told("80-with-do-not-resubmit"), ABOUT_ANA, TRACE).codes == ("80",)


def test_an_answer_about_the_subscriber_is_none_about_the_dependent() -> None:
    plan = told("--one-line")
    dependent = told("a-dependent-of-theirs")
    member_of_their_own = plan.replace("NUNEZ*ANA", "NUNEZ*LEO").replace("19840229", "20150101")
    assert understand(dependent, ABOUT_LEO, TRACE).result == "active"
    assert understand(member_of_their_own, ABOUT_LEO, TRACE).result == "active"
    assert understand(plan, ABOUT_LEO, TRACE).result == "mismatched"
    assert understand(dependent.replace("NUNEZ*ANA", "OTHER*ANA"), ABOUT_LEO, TRACE).result == "mismatched"
    assert understand(dependent, ABOUT_ANA, TRACE).result == "mismatched"


def test_an_answer_about_a_twin_is_none_about_the_patient_and_a_shorter_or_longer_first_name_is_theirs() -> None:
    asked = ABOUT_ANA.model_copy(update={"subscriber": ANA.model_copy(update={"first_name": "Ana Maria"})})
    for named, result in (("EVA", "mismatched"), ("ANA", "active"), ("ANA MARIA JOSE", "active")):
        answered = told("--one-line").replace("NUNEZ*ANA", f"NUNEZ*{named}")
        assert understand(answered, asked, TRACE).result == result


def test_a_name_that_is_too_long_for_a_question_is_known_by_its_echo() -> None:
    long = ANA.model_copy(update={"last_name": "Z" * 59 + " " + "Y" * 39, "first_name": "A" * 100})
    asked = ABOUT_ANA.model_copy(update={"subscriber": long})
    (echo,) = (one for one in write(asked, TRACE, HOSPITAL, NOW).split("~") if one.startswith("NM1*IL"))
    answered = told("--one-line").replace("NM1*IL*1*NUNEZ*ANA****MI*ACTIVE1", echo)
    assert echo in answered
    assert understand(answered, asked, TRACE).result == "active"
    assert understand(answered.replace("ZZZZ", "ZZZA", 1), asked, TRACE).result == "mismatched"


@pytest.mark.parametrize(
    ("member_id", "sent"),
    [
        (ODD, ODD.upper()),
        ("a*b~c:d^e`f", "A B C D E F"),
        (" Äö  1 ", "AO 1"),
    ],
)
def test_a_member_id_is_sent_with_all_that_separates_nothing(member_id: str, sent: str) -> None:
    text = write(ABOUT_ANA.model_copy(update={"member_id": member_id}), TRACE, HOSPITAL, NOW)
    assert f"****MI*{sent}~" in text


@given(people, st.none() | people, st.sampled_from(["ACTIVE1", "a b*c~d", "ÄÖ-1", ODD]))
@settings(max_examples=60)
def test_whoever_is_asked_about_a_strict_reader_takes_the_question(
    subscriber: Subscriber, dependent: Subscriber | None, member_id: str
) -> None:
    asked = Inquiry(
        payer_id="SANDBOX01",
        member_id=member_id,
        subscriber=subscriber,
        dependent=dependent,
        service_date=NOW.date(),
    )
    text = write(asked, TRACE, HOSPITAL, NOW)
    with X12ModelReader(text) as reader:
        (model,) = reader.models()
    assert type(model).__name__ == "EligibilityInquiry"
    assert text.isascii()
    assert text.count("TRN*1*" + TRACE) == 1
    assert ("*03*" in text) == (dependent is not None)


@given(st.sampled_from(ANSWERS), st.data())
@settings(max_examples=300)
def test_no_damage_to_an_answer_makes_the_reader_fail_or_an_active_coverage_inactive(
    path: Path, data: st.DataObject
) -> None:
    text = path.read_bytes().decode("utf-8-sig")[:3000]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(texts) + text[end:]

    meaning = understand(damaged, ABOUT_ANA, TRACE)

    assert len(meaning.benefits) <= 1_000
    if "EB*" in text and not any(f"EB*{code}" in damaged for code in "678"):
        assert meaning.result != "inactive"


@given(texts)
@settings(max_examples=300)
def test_any_text_at_all_is_an_answer_or_none(text: str) -> None:
    assert understand(f"ISA{text}", ABOUT_ANA, TRACE).result == "unanswered"
