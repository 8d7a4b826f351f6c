"""Rule sets, business hours, words of danger, and what files are."""

import gzip
import io
import zipfile
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from services.inbox.domain.attachment import AddAttachment, AttachmentScanned, ScanAttachment
from services.inbox.domain.commands import PutDelegations, PutRoutingRules
from services.inbox.domain.hours import Hours, due, passed
from services.inbox.domain.routing import DEFAULT_RULES, Delegation, PoolEntry, Rule, RuleSet, Said, When, in_force
from services.inbox.domain.scanning import SCAN_AGAIN, Upload
from services.inbox.domain.supervising import Put, Supervision
from services.inbox.domain.urgency import urgent_words
from services.inbox.domain.urgency_words import HIGH_RISK
from services.inbox.inspection import Inspected, RefusedFileError, inspect
from shared.events.envelope import Data
from shared.events.inbox import AttachmentCleared, AttachmentHeld, AttachmentRefused, RoutingRulesChanged
from tests.unit.inbox.story import DAY, NOW, SECOND, events, item_of, outcome, patient, send, when

BILLING = Rule(when=When(category="billing-question"), pool="billing", why="Billing")


def put(*rules: Rule, version: int = 1, **changes: object) -> PutRoutingRules:
    return PutRoutingRules(version=version, rules=RuleSet.model_validate({"rules": rules, **changes}))


def test_a_rule_set_gets_the_next_version_and_the_old_one_stays_until_its_day() -> None:
    decision = when(None, put(BILLING, valid_from=NOW + DAY), actor="staff:sue")
    assert events(decision) == [RoutingRulesChanged(version=2, valid_from=NOW + DAY)]
    assert isinstance(decision.state, Supervision)
    assert [rules.version for rules in decision.state.rule_sets] == [1, 2]
    assert outcome(when(decision.state, put(BILLING))) == ("refused", "stale_version")


def test_what_a_rule_can_ask_for_is_what_a_message_says() -> None:
    assert {field.name for field in fields(Said)} == set(When.model_fields)


def test_other_delegations_are_in_force_at_once_also_while_a_rule_set_waits_for_its_day() -> None:
    to_clinical = (Delegation(affiliate="north", to="clinical"),)
    waiting = when(None, put(BILLING, valid_from=NOW + DAY)).state
    decision = when(waiting, PutDelegations(version=2, delegations=to_clinical), NOW + SECOND, "staff:sue")

    told = [RoutingRulesChanged(version=3, valid_from=NOW + SECOND)]
    assert events(decision) == [*told, RoutingRulesChanged(version=4, valid_from=NOW + DAY)]
    assert outcome(decision) == ("done", None)
    assert isinstance(decision.state, Supervision)
    sets = decision.state.rule_sets
    assert decision.state.put[-2:] == tuple(Put(one, "staff:sue", NOW + SECOND) for one in sets)
    assert [in_force(sets, NOW + days * DAY + SECOND).rules for days in (0, 1)] == [
        DEFAULT_RULES.rules,
        (BILLING,),
    ]
    assert {one.delegations for one in sets} == {to_clinical}
    alone = when(None, PutDelegations(version=1, delegations=to_clinical))
    assert events(alone) == [RoutingRulesChanged(version=2, valid_from=NOW)]
    twice = PutDelegations(version=4, delegations=to_clinical * 2)
    assert outcome(when(decision.state, twice)) == ("refused", "duplicate_delegation")
    assert outcome(when(decision.state, PutDelegations(version=3, delegations=()))) == ("refused", "stale_version")


@pytest.mark.parametrize("valid_from", ["2030-01-01T00:00:00", "9999-12-31T23:59:59-12:00"])
def test_a_rule_set_is_valid_from_a_time_with_a_zone_that_can_be_kept(valid_from: str) -> None:
    with pytest.raises(ValidationError):
        put(BILLING, valid_from=valid_from)


@pytest.mark.parametrize(
    "hours",
    [
        {"time_zone": "Mars/Base"},
        {"opens": "17:00", "closes": "08:00"},
        {"opens": "08:00", "closes": "08:00"},
        {"weekdays": ()},
        {"weekdays": (7,)},
    ],
    ids=["no such zone", "backwards", "never open", "no day", "an eighth day"],
)
def test_a_rule_set_has_hours_in_which_limits_can_run(hours: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        put(BILLING, hours=hours)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (put(Rule(when=When(), pool="nowhere", why="?")), "unknown_pool"),
        (put(Rule(when=When(), pool="provider:nobody", why="?")), "unknown_pool"),
        (put(Rule(when=When(category="gossip"), pool="crm", why="?")), "unknown_category"),
        (put(Rule(when=When(kind="medical", category="portal-help"), pool="crm", why="?")), "unknown_category"),
        (put(Rule(when=When(kind="non-medical"), pool="crm", why="All"), BILLING), "rule_shadowed"),
        (put(BILLING, BILLING), "rule_shadowed"),
        (put(BILLING, delegations=[Delegation(affiliate="n", to="clinical")] * 2), "duplicate_delegation"),
        (
            put(BILLING, pools=[PoolEntry(pool="unroutable", name="U", roles=("supervisor",), active=False)]),
            "pool_inactive",
        ),
        (
            put(
                Rule(when=When(), pool="provider:nobody", why="?"),
                pools=[PoolEntry(pool="provider:nobody", name="N", roles=("clinical",), active=False)],
            ),
            "unknown_pool",
        ),
    ],
    ids=[
        "pool",
        "provider",
        "category",
        "kind",
        "general-first",
        "twice",
        "delegated-twice",
        "unroutable",
        "nobodys",
    ],
)
def test_a_rule_set_with_a_fault_is_refused_whole(command: PutRoutingRules, reason: str) -> None:
    decision = when(None, command, actor="staff:sue")
    assert outcome(decision) == ("refused", reason)
    assert decision.state == Supervision()


def test_a_pool_that_is_left_out_takes_nothing_in_and_stays_for_those_who_work_it() -> None:
    dental = PoolEntry(pool="dental", name="Dental", roles=("clinical",))
    to_dental = Rule(when=When(category="portal-help"), pool="dental", why="Teeth")
    there = when(None, put(to_dental, pools=[dental])).state
    waiting = when(there, put(BILLING, version=2, valid_from=NOW + DAY))
    again = when(waiting.state, put(BILLING, version=3))
    named = when(again.state, put(BILLING, version=4, pools=[dental]))

    for decision, active in ((waiting, False), (again, False), (named, True)):
        assert isinstance(decision.state, Supervision)
        assert decision.state.rule_sets[-1].pools == (dental.model_copy(update={"active": active}),)
    assert outcome(when(there, put(to_dental, version=2))) == ("refused", "unknown_pool")


def test_of_a_providers_pool_only_that_it_is_closed_is_kept_in_a_set() -> None:
    closed, open_ = (
        PoolEntry(pool=f"provider:{name}", name=name, roles=("clinical",), active=name == "B") for name in "AB"
    )
    state = when(None, put(BILLING, pools=[closed, open_])).state
    assert isinstance(state, Supervision)
    assert state.rule_sets[-1].pools == (closed,)


def test_the_default_rules_could_be_put_again() -> None:
    assert outcome(when(None, put(*DEFAULT_RULES.rules))) == ("done", None)


@pytest.mark.parametrize("number", [1_803_520_000, 1_803_520_000_000, 1.5, "1803520000"])
def test_a_number_is_no_time_since_nobody_knows_what_it_counts(number: object) -> None:
    with pytest.raises(ValidationError, match="valid_from"):
        RuleSet.model_validate({"rules": (), "valid_from": number})


def test_times_of_day_are_told_without_the_zone_that_they_do_not_have() -> None:
    opens = Hours.model_json_schema()["properties"]["opens"]
    assert (opens["default"], "format" in opens) == ("08:00:00", False)


NEW_YORK = Hours()


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        ("2026-03-02T15:00", 60, "2026-03-02T16:00"),
        ("2026-03-02T21:30", 60, "2026-03-03T13:30"),
        ("2026-03-06T21:30", 60, "2026-03-09T12:30"),
        ("2026-07-02T20:30", 60, "2026-07-06T12:30"),
    ],
    ids=["within a day", "over night", "over a weekend in which clocks change", "over a holiday"],
)
def test_a_limit_runs_in_business_hours(start: str, minutes: int, expected: str) -> None:
    begins, ends = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (start, expected))
    assert due(begins, minutes, NEW_YORK) == ends


@given(st.integers(0, 60 * 24 * 400), st.integers(1, 5000))
@settings(max_examples=50)
def test_what_has_passed_when_a_limit_is_due_is_the_limit(start_min: int, minutes: int) -> None:
    start = NOW + timedelta(minutes=start_min)
    assert passed(start, due(start, minutes, NEW_YORK), NEW_YORK) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    [
        "I have CHEST PAIN since noon",
        "No fever. But I can\u2019t breathe",
        "I don't have a fever but chest pain",
        "Tengo dolor de pecho",
        "Me cuesta, siento opresión en el pecho",
        "no fever, chest pain",
        "not feeling well, chest pain",
        "I am not well and have chest pain",
        "there is no doubt I have chest pain",
        "No fever\nchest  pain",
        "no fever - chest-pain",
        "no sleep because of chest\npain",
        "I cant breathe",
        "I can not breathe",
        "Is this a heart attack?",
        "I don't want to live, I want to die",
        "My chest hurts",
        "Sin fiebre, me duele el pecho",
        "No puedo dormir por el dolor de pecho",
        "No puedo respirar",
        "Creo que es un infarto",
    ],
)
def test_words_of_danger_are_found_in_two_languages(text: str) -> None:
    assert urgent_words("A question", text)


@pytest.mark.parametrize(
    "text",
    [
        "I have no chest pain",
        "I deny any chest pain",
        "Without shortness of breath",
        "No tengo dolor de pecho",
        "I haven't had chest pain",
        "she hasn't chest pain",
        "he didn\u2019t have any chest pain",
        "no chest pain, no fever",
        "no fever or chest pain",
        "It is in my chest. Pain in the leg is gone",
        "Sin fiebre ni dolor de pecho",
        "Is my bill right?",
    ],
)
def test_what_is_taken_back_is_no_danger(text: str) -> None:
    assert urgent_words("A question", text) == ()


PHRASES = [phrase for phrases in HIGH_RISK.values() for phrase in phrases]
GAPS = st.sampled_from([" ", "  ", "\n", "-", "\u2010", " \t"])


@given(st.sampled_from(PHRASES), GAPS, st.sampled_from(["'", "\u2019", ""]), st.booleans())
def test_a_phrase_is_found_however_it_is_written_unless_it_is_taken_back(
    phrase: str, gap: str, apostrophe: str, loud: bool
) -> None:
    written = phrase.replace("'", apostrophe).replace(" ", gap)
    written = written.upper() if loud else written
    for before in ("", "I have no fever, ", "No question: ", "Not today; ", "no sleep but "):
        assert phrase in urgent_words(f"{before}{written}, since noon")
    for before in ("No ", "I have never had ", "We deny any ", "sin "):
        assert urgent_words(f"Good day. {before}{written}, thank you") == ()


@given(st.text())
def test_any_text_can_be_looked_through(text: str) -> None:
    assert set(urgent_words(text)) <= set(PHRASES)


def test_a_file_that_is_added_again_is_what_it_became_and_is_not_scanned_again() -> None:
    told: dict[str, Any] = {"attachment_id": "F-1", "sha256": "abc"}
    add = AddAttachment(
        **told, patient_id="PT-1", uploaded_by="P-1", name="a", content_type="text/plain", size=1, scan=True
    )
    added = when(None, add)
    cleared = when(added.state, AttachmentScanned(**told, result="clean"))
    again = when(cleared.state, add)
    assert (len(added.tasks), again.tasks) == (1, ())
    assert [type(event) for event in events(again)] == [AttachmentCleared]
    assert again.state == cleared.state


FILE: dict[str, Any] = {"attachment_id": "F-1", "patient_id": "PT-1"}


@pytest.mark.parametrize(
    ("result", "what", "said"),
    [
        ("clean", "file-cleared", [AttachmentCleared(**FILE)]),
        ("infected", "file-refused", [AttachmentRefused(**FILE, reason="infected")]),
        ("not_scannable", "file-refused", [AttachmentRefused(**FILE, reason="not_scannable")]),
        ("away", None, []),
    ],
)
def test_what_the_scanner_says_is_told_in_each_item_that_shows_the_file(
    result: str, what: str | None, said: list[Data]
) -> None:
    told: dict[str, Any] = {"attachment_id": "F-1", "sha256": "abc"}
    scanned = AttachmentScanned.model_validate({**told, "result": result})
    add = AddAttachment(
        **told, patient_id="PT-1", uploaded_by="P-1", name="a.txt", content_type="text/plain", size=1, scan=True
    )
    added = when(None, add)
    assert events(added) == [AttachmentHeld(**FILE, reason="not_scanned")]
    assert isinstance(added.state, Upload)
    items = [item_of(when(patient(), send(message_id))) for message_id in ("MSG-1", "MSG-2")]
    carried = replace(added.state, items=(items[0], replace(items[1], state="done")))
    decision = when(carried, scanned, NOW + SECOND)
    heard = decision.state
    assert isinstance(heard, Upload)
    expected = [(one.item_id, what, "a.txt", 1, NOW + SECOND) for one in items] if what else []
    assert [(one.item_id, one.what, one.reason, one.version, one.at) for one in heard.changes] == expected
    assert events(decision) == said

    asked_again = [] if what else [(ScanAttachment(**told), NOW + SECOND + SCAN_AGAIN)]
    assert [(one.data, one.due_at) for one in decision.tasks] == asked_again
    late = when(heard, AttachmentScanned(**told, result="clean"), NOW + DAY)
    assert (events(late) == []) == bool(what)


def zipped(*entries: tuple[str, bytes], encrypted: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    made = bytearray(out.getvalue())
    if encrypted:
        made[made.index(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def picture(fmt: str, size: tuple[int, int] = (20, 10)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, fmt)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"", "empty_file"),
        ("a/b.txt", b"x", "bad_name"),
        ("a\u202egpj.exe", b"x", "bad_name"),
        ("", b"x", "bad_name"),
        ("x" * 256, b"x", "bad_name"),
        ("a.png", picture("JPEG"), "type_mismatch"),
        ("a.PDF", b"MZ\x90\x00 a program", "type_mismatch"),
        ("a.txt", b"caf\xe9\x01", "type_mismatch"),
        ("a.docx", b"MZ\x90\x00 a program", "type_mismatch"),
        ("a.zip", zipped(("a", b"x"), encrypted=True), "encrypted_archive"),
        ("a.zip", zipped(("a", bytes(40_000_000))), "archive_bomb"),
        ("a.gz", gzip.compress(bytes(40_000_000)), "archive_bomb"),
        ("a.zip", b"PK\x03\x04 and no more", "broken_archive"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() and len(value) < 30 else "",
)
def test_a_hostile_file_is_refused_with_its_reason(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(RefusedFileError) as refused:
        inspect(name, content)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("a.JPG", picture("JPEG"), "image/jpeg"),
        ("no extension", picture("PNG"), "image/png"),
        ("a.webp", picture("WEBP"), "image/webp"),
        ("a.tif", picture("TIFF"), "image/tiff"),
        ("a.zip", zipped(("a.txt", b"hello")), "application/zip"),
        ("a.txt", "Grüße".encode(), "text/plain"),
        ("a.CSV", "Größe;5\r\n".encode("cp1252"), "text/plain"),
        ("a.log", "café\n\f".encode("latin-1"), "text/plain"),
        ("a.html", "<html>café".encode("latin-1"), "text/html"),
        ("a.svg", b"<svg xmlns='x' onload='alert(1)'/>", "image/svg+xml"),
        ("a.bin", bytes(range(256)), "application/octet-stream"),
    ],
    ids=["jpeg", "png", "webp", "tiff", "zip", "text", "windows", "latin", "page", "svg", "other"],
)
def test_a_file_is_what_its_content_is(name: str, content: bytes, content_type: str) -> None:
    found = inspect(name, content)
    assert isinstance(found, Inspected)
    assert (found.content_type, found.size) == (content_type, len(content))
