"""What a patient may send, to whom, and where it goes."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.inbox.domain.attachment import Attachment
from services.inbox.domain.commands import EscalateItem, ReplyToItem
from services.inbox.domain.item import Desk
from services.inbox.domain.patient import Patient, recipients
from services.inbox.domain.routing import (
    FIXED_POOLS,
    Delegation,
    PoolEntry,
    ProviderPools,
    Rule,
    RuleSet,
    When,
    pool_of,
    pools,
)
from shared.events.inbox import CommandRefused, MessageRouted, MessageUnroutable
from shared.events.vocabulary import About
from tests.unit.inbox.story import (
    DAY,
    NOW,
    SECOND,
    ask_provider,
    booked,
    cancelled,
    desk,
    events,
    heard,
    item_of,
    outcome,
    patient,
    registered,
    requested,
    send,
    when,
    work,
)


@pytest.mark.parametrize("actor", ["patient:P-1", "proxy:P-2"])
def test_the_patient_and_their_proxies_may_write(actor: str) -> None:
    assert outcome(when(patient(), send(), actor=actor)) == ("done", None)


@pytest.mark.parametrize("actor", ["patient:P-3", "proxy:P-3", "guest", "staff:P-1", "service:P-1"])
def test_for_anybody_else_there_is_no_such_patient(actor: str) -> None:
    assert outcome(when(patient(), send(), actor=actor)) == ("refused", "not_found")
    assert outcome(when(None, send())) == ("refused", "not_found")


@pytest.mark.parametrize(
    ("category", "pool"),
    [
        ("billing-question", "billing"),
        ("insurance-question", "insurance"),
        ("customer-service", "crm"),
        ("portal-help", "crm"),
    ],
)
def test_a_non_medical_message_goes_to_the_pool_of_its_category(category: str, pool: str) -> None:
    (routed,) = events(when(patient(), send(category=category)))
    assert isinstance(routed, MessageRouted)
    assert (routed.pool, routed.rule_version) == (pool, 1)
    assert routed.why


@pytest.mark.parametrize(
    ("kind", "category"),
    [("medical", "billing-question"), ("non-medical", "refill-request"), ("medical", "gossip")],
)
def test_a_category_belongs_to_one_kind(kind: str, category: str) -> None:
    decision = when(patient(booked()), ask_provider(kind=kind, category=category))
    assert outcome(decision) == ("refused", "unknown_category")


def test_a_patient_may_write_to_whom_they_see_have_seen_or_were_asked_by() -> None:
    known = heard([(0, registered()), *enumerate((booked("off", 5, "X"), cancelled("X")), 1)])
    assert recipients(known, NOW) == []

    known = patient(booked("soon", 1), booked("seen", -10), booked("long-ago", -1500), requested("asked"))
    found = [(one.provider_id, one.reasons) for one in recipients(known, NOW)]
    assert found == [("soon", ("scheduled",)), ("asked", ("requested-documents",)), ("seen", ("seen",))]
    for provider in ("soon", "seen", "asked"):
        (routed,) = events(when(known, ask_provider(provider)))
        assert isinstance(routed, MessageRouted)
        assert routed.pool == f"provider:{provider}"


def test_a_provider_who_is_not_the_patients_is_refused_like_one_who_does_not_exist() -> None:
    known = patient(booked("PRV-1"), booked("long-ago", -1500))
    refusals = [events(when(known, ask_provider(provider))) for provider in ("long-ago", "nobody")]
    assert refusals[0] == refusals[1]
    assert outcome(when(known, ask_provider("nobody"))) == ("refused", "recipient_not_allowed")


def test_a_question_names_its_provider_and_other_medical_messages_find_the_nearest() -> None:
    known = patient(booked("later", 9), booked("next", 20), booked("next", 2), requested("asked"))
    assert outcome(when(known, ask_provider(None))) == ("refused", "recipient_missing")
    (routed,) = events(when(known, ask_provider(None, category="refill-request")))
    assert isinstance(routed, MessageRouted)
    assert routed.pool == "provider:next"
    (lost,) = events(when(patient(), ask_provider(None, category="refill-request")))
    assert isinstance(lost, MessageUnroutable)


def test_what_is_for_a_provider_whose_pool_no_message_can_name_is_unroutable() -> None:
    long = "x" * 128
    known = patient(booked(long, appointment="A-1"), booked("PRV-1"))
    (lost,) = events(when(known, ask_provider(long)))
    assert isinstance(lost, MessageUnroutable)
    assert set(pools(RuleSet(rules=()), [*known.providers.values()])) == {*FIXED_POOLS, "provider:PRV-1"}


def test_the_same_message_again_has_the_same_outcome_and_another_content_is_a_conflict() -> None:
    first = when(patient(), send())
    again = when(first.state, send(), NOW + DAY)
    assert events(again) == events(first)
    assert again.state is first.state
    assert events(when(first.state, send(attachment_ids=(), about=About()))) == events(first)
    assert outcome(when(first.state, send(body="Other"))) == ("refused", "idempotency_conflict")


@pytest.mark.parametrize("nothing", [" ", "\u00a0\u200b", "\u2066\u3000"])
def test_what_somebody_is_to_read_holds_something_to_see(nothing: str) -> None:
    refused = when(patient(), send(subject=nothing, body=nothing))
    assert outcome(refused) == ("refused", "invalid_data")
    assert [getattr(one, "detail", "") for one in events(refused)] == ["invalid: data.subject, data.body"]
    assert outcome(when(patient(), send(body=f"{nothing}\N{THUMBS UP SIGN}"))) == ("done", None)
    assert outcome(when(None, work(summary=nothing), actor="service:x")) == ("refused", "invalid_data")
    with pytest.raises(ValidationError):
        EscalateItem(item_id="I", version=1, reason=nothing)


def file(**changes: Any) -> Attachment:
    told: dict[str, Any] = {
        "attachment_id": "F-1",
        "patient_id": "PT-1",
        "uploaded_by": "P-1",
        "name": "a.jpg",
        "content_type": "image/jpeg",
        "size": 10,
        "sha256": "abc",
        "state": "held",
        "reason": None,
        "created_at": NOW,
    }
    return Attachment(**told | changes)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([file()], None),
        ([file(state="refused")], "attachment_refused"),
        ([file(patient_id="PT-2")], "unknown_attachment"),
        ([file(uploaded_by="P-2")], None),
        ([file(uploaded_by="staff:ann")], "unknown_attachment"),
        ([file(), file(attachment_id="F-2")], "same_file_twice"),
        ([file(size=50 * 1024 * 1024 + 1)], "attachments_too_large"),
        ([file(attachment_id=f"F-{n}", sha256=str(n)) for n in range(11)], "too_many_attachments"),
    ],
    ids=["held", "refused", "patient", "proxy", "staff", "twice", "large", "many"],
)
def test_files_are_the_patients_and_within_bounds(files: list[Attachment], reason: str | None) -> None:
    known = replace(patient(), attachments={one.attachment_id: one for one in files})
    asked = send(attachment_ids=tuple(one.attachment_id for one in files))
    assert outcome(when(known, asked))[1] == reason


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([file(state="refused")], "a.jpg"),
        ([file(patient_id="PT-2")], "F-1"),
        ([file(), file(attachment_id="F-2", name="b.jpg")], "a.jpg, b.jpg"),
        ([file(size=50 * 1024 * 1024 + 1)], "50 MB"),
        ([file(attachment_id=f"F-{n}", sha256=str(n)) for n in range(11)], "10 files"),
        ([file(attachment_id=f"F-{n}", name=f"{n}" * 300) for n in range(10)], "000"),
    ],
    ids=["refused", "unknown", "twice", "large", "many", "long names"],
)
def test_a_refusal_of_files_tells_which_or_how_many(files: list[Attachment], told: str) -> None:
    known = replace(patient(), attachments={one.attachment_id: one for one in files})
    (refused,) = events(when(known, send(attachment_ids=tuple(one.attachment_id for one in files))))
    assert isinstance(refused, CommandRefused)
    assert told in refused.detail
    assert CommandRefused.model_validate(refused.model_dump())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([file(uploaded_by="staff:ann")], None),
        ([file()], "unknown_attachment"),
        ([file(uploaded_by="staff:ann", patient_id="PT-2")], "unknown_attachment"),
        ([file(uploaded_by="staff:ann", state="refused")], "attachment_refused"),
        ([file(uploaded_by="staff:ann"), file(uploaded_by="staff:bob", attachment_id="F-2")], "same_file_twice"),
    ],
    ids=["own", "a patient's", "another patient's", "refused", "twice"],
)
def test_a_reply_carries_what_staff_uploaded(files: list[Attachment], reason: str | None) -> None:
    known = replace(desk(when(patient(), send())), attachments={one.attachment_id: one for one in files})
    ids = tuple(one.attachment_id for one in files)
    reply = ReplyToItem(item_id="I", version=1, body="Here.", attachment_ids=ids)
    assert outcome(when(known, reply, actor="staff:ann"))[1] == reason


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_facts_end_in_the_same_state_in_any_order(order: tuple[int, ...]) -> None:
    told = (registered(), booked("PRV-1", 1, "A"), cancelled("A"), booked("PRV-1", 2, "B"))
    ended = heard((place, told[place]) for place in (*order, *order))
    in_order = heard(enumerate(told))
    assert (ended.registered, ended.appointments) == (in_order.registered, in_order.appointments)
    assert [one.provider_id for one in recipients(ended, NOW)] == ["PRV-1"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_a_request_and_of_a_provider_what_was_told_last_counts(order: tuple[int, ...]) -> None:
    told = (requested("PRV-1"), requested("PRV-2"))
    ended = heard([(0, requested("PRV-3", "R-2")), *((place + 1, told[place]) for place in order)])
    assert sorted(one.provider_id for one in recipients(ended, NOW)) == ["PRV-2", "PRV-3"]

    before = booked("PRV-1", 1)
    moved = (before, before.model_copy(update={"provider_name": "Dr. New", "affiliate": "south"}))
    provider = heard((place, moved[place]) for place in order).providers["PRV-1"]
    assert (provider.name, provider.affiliate) == ("Dr. New", "south")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_provider_keeps_the_name_that_was_told_whenever_one_is_left_out(order: tuple[int, ...]) -> None:
    told = (booked("PRV-1", 1), requested("PRV-1").model_copy(update={"affiliate": "south"}))
    provider = heard((place, told[place]) for place in order).providers["PRV-1"]
    assert (provider.name, provider.affiliate) == ("Dr. PRV-1", "south")


def test_of_two_facts_of_the_same_time_the_one_that_comes_later_counts() -> None:
    told = (
        registered(),
        registered(last_name="Diaz"),
        requested("PRV-1"),
        booked("PRV-1", 1, "A"),
        cancelled("A"),
    )
    known = heard((0, one) for one in told)
    assert known.registered is not None
    assert known.registered.last_name == "Diaz"
    assert known.appointments["A"].cancelled


CONDITIONS = st.builds(
    When,
    kind=st.sampled_from([None, "medical", "non-medical"]),
    category=st.sampled_from([None, "billing-question", "portal-help"]),
    affiliate=st.sampled_from([None, "north", "south"]),
    urgent=st.sampled_from([None, True, False]),
)


@given(st.lists(CONDITIONS, max_size=6))
@settings(max_examples=60)
def test_whatever_the_rules_a_message_ends_in_exactly_one_pool_by_the_first_that_matches(
    conditions: list[When],
) -> None:
    pools = ("billing", "crm", "insurance")
    rules = RuleSet(
        version=7,
        rules=tuple(
            Rule(when=one, pool=pools[place % 3], why=f"rule {place}") for place, one in enumerate(conditions)
        ),
    )
    decision = when(replace(patient(), rule_sets=(rules,)), send())
    said = {("kind", "non-medical"), ("category", "billing-question"), ("affiliate", "north"), ("urgent", False)}
    first = next((n for n, one in enumerate(conditions) if one.conditions <= said), None)

    (told,) = events(decision)
    assert isinstance(told, MessageRouted | MessageUnroutable)
    assert told.rule_version == 7
    if first is None:
        assert isinstance(told, MessageUnroutable)
    else:
        assert isinstance(told, MessageRouted)
        assert (told.pool, told.why) == (pools[first % 3], f"rule {first}")


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        (When(provider_id="PRV-1"), When(provider_id="PRV-2")),
        (When(language="es"), When(language="en")),
        (When(affiliate="north"), When(affiliate="south")),
        (When(urgent=True), When(urgent=False)),
        (When(kind="medical"), When(kind="non-medical")),
    ],
    ids=["provider", "language", "affiliate", "urgency", "kind"],
)
def test_a_rule_is_for_messages_that_are_as_it_says_and_for_no_others(asked: When, other: When) -> None:
    rules = RuleSet(
        rules=(Rule(when=other, pool="billing", why="Other"), Rule(when=asked, pool="crm", why="This"))
    )
    known = replace(patient(booked("PRV-1")), rule_sets=(rules,))
    (told,) = events(when(known, ask_provider("PRV-1", body="I have chest pain")))
    assert isinstance(told, MessageRouted)
    assert told.pool == "crm"


def test_a_pool_that_is_not_active_takes_nothing_in() -> None:
    closed = PoolEntry(pool="billing", name="Billing", roles=("billing",), active=False)
    rules = RuleSet(version=2, pools=(closed,), rules=(Rule(when=When(), pool="billing", why="All"),))
    decision = when(replace(patient(), rule_sets=(rules,)), send())
    (told,) = events(decision)
    assert isinstance(told, MessageUnroutable)
    assert item_of(decision).pool == "unroutable"


def test_a_providers_own_delegation_comes_before_the_affiliates() -> None:
    rules = RuleSet(
        rules=(),
        delegations=(
            Delegation(affiliate="north", to="clinical"),
            Delegation(affiliate="north", provider_id="PRV-1", to="clinical-support"),
            Delegation(affiliate="south", provider_id="PRV-2", to="clinical-support"),
        ),
    )
    known = patient(booked("PRV-1"), booked("PRV-2")).providers
    assert ProviderPools(rules).delegation(known["PRV-1"]) == "clinical-support"
    assert ProviderPools(rules).delegation(known["PRV-2"]) == "clinical"
    assert ProviderPools(RuleSet(rules=())).delegation(known["PRV-1"]) == "clinical-support"


def test_a_pool_alone_is_the_same_as_among_all() -> None:
    closed = PoolEntry(pool="billing", name="Billing", roles=("billing",), active=False)
    named = PoolEntry(pool="provider:PRV-1", name="PRV-1", roles=("clinical",), active=False)
    rules = RuleSet(rules=(), pools=(closed, named))
    known = patient(booked("PRV-1"), booked("PRV-2")).providers
    every = pools(rules, list(known.values()))
    assert {pool: pool_of(rules, known, pool) for pool in every} == every
    assert not every["billing"].active
    assert not every["provider:PRV-1"].active
    assert pool_of(rules, known, "provider:PRV-3") is None
    assert pool_of(rules, known, "nowhere") is None


def test_an_item_opens_with_a_limit_of_business_time() -> None:
    (calm,) = when(patient(), send()).tasks
    (urgent,) = when(patient(), send(body="I have chest pain")).tasks
    assert calm.due_at == NOW + 2 * DAY
    assert urgent.due_at == NOW + 3600 * SECOND
    assert desk(when(patient(), send(body="I have chest pain"))).item is not None


def test_what_is_written_at_one_moment_keeps_its_order_by_the_times_of_the_messages() -> None:
    state = when(patient(), send("MSG-z")).state
    assert isinstance(state, Patient)
    (thread_id,) = state.items
    for message_id in ("MSG-m", "MSG-a"):
        state = when(state, send(message_id, thread_id=thread_id)).state
    assert isinstance(state, Patient)
    times = [state.messages[message_id].at for message_id in ("MSG-z", "MSG-m", "MSG-a")]
    assert times[0] == NOW
    assert times == sorted(set(times))

    reply = ReplyToItem(item_id="-", version=3, body="Here.")
    answered = when(Desk(state.items[thread_id]), reply, actor="staff:ann")
    assert isinstance(answered.state, Desk)
    assert answered.state.written[0].at > times[-1]
