"""Long stories of all that the inbox can hear, in any order: what holds at every moment, and in the end."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.inbox.domain.attachment import AddAttachment, ScanAttachment
from services.inbox.domain.commands import (
    ClaimItem,
    EscalateItem,
    FinishItem,
    ItemCommand,
    LeaseEnded,
    PostponeItem,
    PostponementEnded,
    PutRoutingRules,
    ReassignItem,
    ReleaseItem,
    ReplyToItem,
)
from services.inbox.domain.item import Item, TimeLimit
from services.inbox.domain.routing import DEFAULT_RULES, PoolEntry, in_force, pool_of
from services.inbox.domain.supervising import newest
from shared.events.envelope import Command, Data
from shared.events.inbox import (
    CATEGORIES,
    REFUSAL_REASONS,
    AttachmentCleared,
    AttachmentRefused,
    CommandRefused,
    ItemEscalated,
    ItemReplied,
    MessageRouted,
    MessageUnroutable,
    RaiseWork,
    SendMessage,
)
from shared.events.payments import WorkRaised, WorkSettled
from shared.events.vocabulary import About
from tests.unit.inbox.in_basket import InBasket
from tests.unit.inbox.story import (
    ANN,
    BOB,
    DAY,
    KIM,
    PATIENT,
    ask_provider,
    booked,
    cancelled,
    registered,
    requested,
    send,
    work,
)

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
One = TypeVar("One")

some = st.integers(0, 4)
message_ids = st.integers(1, 12).map(lambda number: f"MSG-{number}")
providers = st.sampled_from(["PRV-1", "PRV-2"])
categories = st.sampled_from(sorted(CATEGORIES))
bodies = st.sampled_from(["What is this?", "I have chest pain."])
carried = st.sampled_from([(), (), (), ("F-1",), ("F-1", "F-2")])
staff = st.sampled_from([ANN, ANN, BOB, KIM])
pools = st.sampled_from(["billing", "crm", "unroutable", "provider:PRV-1", "no-such-pool"])

facts = st.one_of(
    st.sampled_from([("P-2",), ()]).map(lambda proxies: registered(proxies=proxies)),
    st.builds(booked, providers, st.sampled_from([-30, 3, 30]), st.just("A-1")),
    st.just(cancelled("A-1")),
    st.builds(requested, providers),
)
messages = st.one_of(
    st.builds(
        lambda which, name, body, files: send(
            which, kind=CATEGORIES[name], category=name, body=body, attachment_ids=files
        ),
        *(message_ids, categories, bodies, carried),
    ),
    st.builds(ask_provider, providers, message_id=message_ids, body=bodies),
)
raised = st.one_of(
    st.builds(lambda which, pool: work(work_id=which, pool=pool), st.sampled_from(["W-1", "W-2"]), pools),
    st.sampled_from(["W-3", "W-4"]).map(
        lambda which: WorkRaised(work_id=which, pool="billing", summary="A debit was returned", about=About())
    ),
    st.sampled_from(["W-3", "W-4"]).map(
        lambda which: WorkSettled(work_id=which, account_number="G-1", action="closed")
    ),
)
files = st.builds(
    lambda which, by: AddAttachment(
        attachment_id=which,
        patient_id=PATIENT,
        uploaded_by=by,
        name=f"{which}.png",
        content_type="image/png",
        size=1,
        sha256=which,
        scan=True,
    ),
    *(st.sampled_from(["F-1", "F-2", "F-3"]), st.sampled_from(["P-1", "P-1", ANN])),
)
acts = st.one_of(
    st.just((ClaimItem, {})),
    st.just((FinishItem, {})),
    st.just((EscalateItem, {"reason": "Please look"})),
    st.booleans().map(lambda supervisor: (ReleaseItem, {"supervisor": supervisor})),
    carried.map(lambda them: (ReplyToItem, {"body": "It is for the visit.", "attachment_ids": them})),
    st.builds(
        lambda pool, to: (ReassignItem, {"pool": pool, "assignee": to, "reason": "Not ours", "supervisor": False}),
        *(pools | st.none(), st.sampled_from([None, BOB])),
    ),
    st.sampled_from([-HOUR, HOUR, 3 * DAY]).map(lambda ahead: (PostponeItem, {"until": ahead})),
)
waits = st.sampled_from([timedelta(), MINUTE, 16 * MINUTE, 3 * HOUR, DAY, 10 * DAY])


def one_of(them: Sequence[One], which: int) -> One | None:
    """Return one of several, the newest first, if there is any."""
    return them[-1 - which % len(them)] if them else None


class LongStory(RuleBasedStateMachine):
    """A patient, the hosts, the services, staff and the scanner, each of whom may do anything at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = InBasket()
        self.done: list[Command] = []
        self.seen: dict[str, Item] = {}
        for fact in (registered(), booked("PRV-1", 20, "A-0")):
            self.inbox.hear(fact)

    # What may happen

    @rule(fact=facts, late=st.sampled_from([0 * HOUR, -HOUR, -DAY]))
    def hosts_tell(self, fact: Data, late: timedelta) -> None:
        self.inbox.hear(fact, "host:test", self.inbox.now + late)

    @rule(message=messages, actor=st.sampled_from(["patient:P-1", "patient:P-1", "proxy:P-2", "patient:P-9"]))
    def somebody_writes(self, message: Command, actor: str) -> None:
        self._ask(message, actor)

    @rule(message=messages, which=some)
    def somebody_writes_again(self, message: SendMessage, which: int) -> None:
        threads = [item for item in self.inbox.items.values() if item.thread_id is not None]
        if (item := one_of(threads, which)) is not None:
            said = {"kind": item.message_kind, "category": item.category, "provider_id": item.provider_id}
            self._ask(message.model_copy(update={"thread_id": item.thread_id, **said}), "patient:P-1")

    @rule(which=some)
    def a_command_that_was_done_is_sent_again(self, which: int) -> None:
        if (command := one_of(self.done, which)) is not None:
            items, files = dict(self.inbox.items), dict(self.inbox.files)
            actor = "service:payments" if isinstance(command, RaiseWork) else "patient:P-1"
            decided = self.inbox.hear(command, actor)
            assert (len(decided.events), decided.tasks) == (1, ())
            assert (self.inbox.items, self.inbox.files) == (items, files)
            assert getattr(decided.events[0].data, "reason", None) != "idempotency_conflict"

    @rule(told=raised)
    def services_raise_work_and_settle_it(self, told: Data) -> None:
        if isinstance(told, Command):
            self._ask(told, "service:payments")
        else:
            self.inbox.hear(told, "service:payments")

    @rule(file=files)
    def a_file_is_uploaded(self, file: AddAttachment) -> None:
        if file.attachment_id not in self.inbox.files:
            self._ask(file, "patient:P-1")

    @rule(which=some, act=acts, by=staff, stale=st.sampled_from([False, False, False, True]))
    def staff_act(self, which: int, act: tuple[type[ItemCommand], dict[str, Any]], by: str, stale: bool) -> None:
        items = sorted(self.inbox.items.values(), key=lambda one: (one.state != "done", one.updated_at))
        if (item := one_of(items, which)) is None:
            return
        kind, said = act
        if kind is PostponeItem:
            said = {"until": self.inbox.now + said["until"]}
        holder, now = item.holder(self.inbox.now), self.inbox.now
        version = max(item.version - stale, 0)
        done = self._ask(kind(item_id=item.item_id, version=version, **said), by)
        takes = said.get("supervisor", False)
        assert not done or takes or holder in (None, by), "only supervisors act on what a colleague holds"
        assert not done or version == item.version
        assert not done or kind is not PostponeItem or said["until"] > now

    @rule(minutes=st.sampled_from([10, 600]), active=st.booleans(), ahead=st.sampled_from([-HOUR, 5 * HOUR]))
    def a_supervisor_puts_rules(self, minutes: int, active: bool, ahead: timedelta) -> None:
        current = newest(self.inbox.rule_sets)
        support = PoolEntry(pool="crm", name="Customer service", roles=("crm",), active=active)
        limits = current.limits.model_copy(update={"normal_min": minutes})
        changes = {"pools": (support,), "limits": limits, "valid_from": self.inbox.now + ahead}
        rules = DEFAULT_RULES.model_copy(update=changes)
        self._ask(PutRoutingRules(version=current.version, rules=rules), KIM)
        assert newest(self.inbox.rule_sets).version == current.version + 1

    @rule(ahead=waits, scanned=st.sampled_from(["clean", "clean", "infected", "not_scannable", "away"]))
    def time_passes(self, ahead: timedelta, scanned: str) -> None:
        self.inbox.settle(min(ahead, 3 * HOUR) if scanned == "away" else ahead, scanned)

    def _ask(self, command: Command, actor: str) -> bool:
        before = dict(self.inbox.items)
        decided = self.inbox.hear(command, actor)
        ended = next(event for event in decided.events if event.outcome)
        if ended.outcome == "done":
            if isinstance(command, SendMessage | RaiseWork):
                self.done.append(command)
            return True
        assert isinstance(ended.data, CommandRefused)
        assert ended.data.reason in REFUSAL_REASONS
        assert (len(decided.events), decided.tasks, self.inbox.items) == (1, (), before)
        return False

    # What holds

    @invariant()
    def each_item_is_in_one_pool_that_counts_it(self) -> None:
        there = Counter((one.pool, one.state) for one in self.inbox.items.values())
        assert +self.inbox.counted == there
        providers, rules = self.inbox.providers, in_force(self.inbox.rule_sets, self.inbox.now)
        assert all(pool_of(rules, providers, pool) is not None for pool, _ in there)

    @invariant()
    def each_message_is_in_one_thread_and_was_routed_there(self) -> None:
        routed = {one.message_id: one for one in self.inbox.said(MessageRouted, MessageUnroutable)}
        replies = Counter(one.reply_id for one in self.inbox.said(ItemReplied))
        assert max(replies.values(), default=1) == 1
        assert routed.keys() | replies.keys() == self.inbox.messages.keys()
        for one in self.inbox.messages.values():
            item = self.inbox.items[one.item_id]
            assert (item.thread_id, item.patient_id) == (one.thread_id, one.patient_id)
            assert one.author == "staff" or routed[one.message_id].item_id == one.item_id
        assert len({(one.item_id, one.at) for one in self.inbox.messages.values()}) == len(self.inbox.messages)

    @invariant()
    def a_limit_runs_while_somebody_waits_for_staff_and_strikes_once(self) -> None:
        timers = {(one.item_id, one.limit) for one in self.inbox.coming(TimeLimit)}
        for one in self.inbox.items.values():
            if one.state in ("waiting", "done"):
                assert one.due_at is None
            if one.due_at is not None and not one.escalated:
                assert (one.item_id, one.limit_number) in timers
        struck = Counter(
            (event.data.item_id, event.data.reason)
            for event in self.inbox.told
            if isinstance(event.data, ItemEscalated) and event.outcome is None
        )
        limits = {one.item_id: one.limit_number for one in self.inbox.items.values()}
        assert all(times <= limits[item_id] for (item_id, _), times in struck.items())

    @invariant()
    def a_lease_ends_and_what_was_put_off_comes_back(self) -> None:
        leases = {(one.item_id, one.lease_ends_at) for one in self.inbox.coming(LeaseEnded)}
        back = {(one.item_id, one.until) for one in self.inbox.coming(PostponementEnded)}
        for one in self.inbox.items.values():
            assert one.holder(self.inbox.now) is None or (one.item_id, one.lease_ends_at) in leases
            assert (one.state == "postponed") == (one.postponed_until is not None)
            assert one.state != "postponed" or (one.item_id, one.postponed_until) in back
            assert one.state != "done" or one.assignee is None

    @invariant()
    def the_version_grows_with_what_people_do(self) -> None:
        for one in self.inbox.items.values():
            known = self.seen.get(one.item_id, one)
            assert one.version >= known.version
            if one.version == known.version:
                acted = ("assignee", "pool", "lease_ends_at", "replied_version", "subject")
                assert [getattr(one, name) for name in acted] == [getattr(known, name) for name in acted]
            elif known.content or known.kind == "message":
                assert one.updated_at > known.updated_at
        self.seen = dict(self.inbox.items)

    @invariant()
    def a_file_is_scanned_until_it_is_known_and_told_once(self) -> None:
        scans = {one.attachment_id for one in self.inbox.coming(ScanAttachment)}
        assert scans == {one.attachment_id for one in self.inbox.files.values() if one.state == "held"}
        told = [
            event.data.attachment_id
            for event in self.inbox.told
            if isinstance(event.data, AttachmentCleared | AttachmentRefused) and event.outcome is None
        ]
        known = {one.attachment_id for one in self.inbox.files.values() if one.state != "held"}
        assert Counter(told) == Counter(known)

    def teardown(self) -> None:
        """Left alone, nothing is put off or held for ever, and what waits too long has escalated."""
        self.inbox.settle(500 * DAY)
        for one in self.inbox.items.values():
            assert one.state != "postponed"
            assert one.holder(self.inbox.now) is None
            assert one.due_at is None or one.escalated


TestLongStory = LongStory.TestCase
TestLongStory.settings = settings(max_examples=40, stateful_step_count=50)
