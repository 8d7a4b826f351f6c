"""Long stories of all that insurance can hear, in any order: what holds at every moment, and in the end."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.insurance.domain import State
from services.insurance.domain.asking import AskAgain, AskPayer, CheckCoverage, PayerAnswered
from services.insurance.domain.patient import Coverage, Patient
from services.insurance.domain.questions import inquiry
from services.insurance.domain.session import SubmitSession
from services.insurance.domain.settling_work import ACTIONS, SettleWork
from services.insurance.handlers import DIRECTORY
from services.insurance.store import (
    CHANGE,
    COVERAGE,
    VERIFICATION,
    change_of,
    coverage_of,
    row_of,
    verification_of,
)
from shared.events.envelope import Command, Data, Message
from shared.events.insurance import (
    REFUSAL_REASONS,
    CommandRefused,
    CoverageChanges,
    CoverageNotVerified,
    CoverageVerified,
    DecideChange,
    SetPriority,
    VerificationSubmitted,
    VerifyAgain,
    WorkRaised,
    WorkSettled,
)
from shared.events.vocabulary import Subscriber
from shared.messaging.decision import Decision
from tests.unit.events.reading_back import read_back
from tests.unit.insurance.story import (
    ANA,
    NOW,
    PATIENT,
    PROXY,
    SELF,
    STAFF,
    Hospital,
    add,
    answer,
    booked,
    cancelled,
    change,
    decision,
    message,
    on_file,
    registered,
    remove,
    session_ended,
    session_started,
    set_priority,
    verify_again,
)

One = TypeVar("One")

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEN = Subscriber(first_name="Ben", last_name="Núñez", birth_date=date(1980, 6, 1))

coverages = st.sampled_from(["COV-1", "COV-2", "COV-H"])
change_ids = st.sampled_from(["CHG-1", "CHG-2", "CHG-3"])
sessions = st.sampled_from(["S-1", "S-2"])
members = st.sampled_from(["M-1", "M-2", "M-3", "M-4", "--"])
subscribers = st.sampled_from([ANA, BEN])
relationships = st.sampled_from(["self", "child"])
payers = st.sampled_from(
    [("SANDBOX01", "Sandbox Health Plan"), ("SANDBOX90", "Old Harbor"), ("NOPE", "Nobody Inc.")]
)
policies = st.builds(
    lambda payer, member, subscriber, relationship: {
        "payer_id": payer[0],
        "payer_name": payer[1],
        "member_id": member,
        "subscriber": subscriber,
        "relationship": relationship,
    },
    *(payers, members, subscribers, relationships),
)

facts = st.one_of(
    st.sampled_from(["America/Chicago", "Asia/Tokyo", "nowhere"]).map(lambda zone: registered(time_zone=zone)),
    st.sampled_from([(PROXY,), ()]).map(lambda proxies: registered(proxies=proxies)),
    st.builds(
        lambda one, place, said: on_file(coverage_id=one, priority=place, **said),
        *(coverages, st.integers(1, 2), policies),
    ),
    st.integers(-1, 40).map(lambda days: booked(NOW + days * DAY)),
    st.builds(cancelled),
    st.builds(session_started, sessions),
    st.builds(session_ended, sessions),
)
"""What hosts and gateways tell; hosts also repeat what was true before."""

wishes = st.one_of(
    st.builds(lambda one, session, said: add(one, session, **said), coverages, sessions, policies),
    st.builds(
        lambda which, one, session, said: change(which, one, session, base_version=None, changes=said),
        *(change_ids, coverages, sessions),
        st.one_of(
            st.builds(CoverageChanges, member_id=members),
            st.builds(CoverageChanges, plan_name=st.sampled_from(["Gold", "Silver", ""])),
            st.builds(CoverageChanges, subscriber=subscribers, relationship=relationships),
            st.builds(lambda payer: CoverageChanges(payer_id=payer[0]), payers),
        ),
    ),
    st.builds(remove, coverages),
)
orders = st.one_of(
    st.builds(decision, change_ids, st.sampled_from(["accept", "decline"])),
    st.builds(verify_again, coverages),
    st.permutations(["COV-1", "COV-2"]).map(lambda them: set_priority(*them)),
    coverages.map(set_priority),
)

some = st.integers(0, 5)
results = st.sampled_from(
    ["active", "inactive", "unanswered", "postponed", "unclear", "75", "42", "71", "64", "62"]
)
waits = st.sampled_from([timedelta(), MINUTE, 5 * MINUTE, HOUR, 6 * HOUR, DAY, 40 * DAY])


def said_by_payer(task: AskPayer, result: str) -> PayerAnswered:
    return answer(task, "rejected", codes=(result,)) if result.isdigit() else answer(task, result)


def one_of(them: Sequence[One], which: int) -> One | None:
    """Return one of several, the newest first, if there is any."""
    return them[-1 - which % len(them)] if them else None


def lasting(world: Hospital) -> Patient:
    """Return the patient without what a batch alone has."""
    return replace(world.patient, ended_sessions=frozenset(), answers=(), exchanges=(), history=())


class Watched(Hospital):
    """A hospital that looks at each decision as it is taken."""

    def decide(self, state: State | None, heard: Message[Any]) -> Decision[State]:
        decided = super().decide(state, heard)
        assert decided == super().decide(state, heard), "the same again decides the same"
        for event in decided.events:
            assert read_back(event, heard) == event.data
        if isinstance(decided.state, Patient):
            before = state if isinstance(state, Patient) else Patient(PATIENT)
            self._look(before, decided.state, heard.data, decided)
        return decided

    def _look(self, before: Patient, after: Patient, heard: Data, decided: Decision[State]) -> None:
        for one in after.coverages.values():
            known = before.coverages.get(one.coverage_id)
            if known is None:
                assert one.version == 1
                continue
            assert known.is_live or one.content == known.content, "removed is removed"
            assert known.is_live or one.status == "removed"
            by_staff = isinstance(heard, DecideChange | SettleWork)  # accepted, though the host was faster
            grown = one.version - known.version
            assert grown == (one.content != known.content) or (by_staff and grown == 1)
        for event in decided.events:
            if isinstance(event.data, CommandRefused):
                assert event.data.reason in REFUSAL_REASONS
                assert (after, len(decided.events), decided.tasks) == (before, 1, ()), "a refusal does nothing"
        for there, was, columns, made in (
            (after.coverages, before.coverages, COVERAGE, coverage_of),
            (after.changes, before.changes, CHANGE, change_of),
            (after.verifications, before.verifications, VERIFICATION, verification_of),
        ):
            changed = [one for key, one in there.items() if was.get(key) is not one]
            assert [made(row_of(PATIENT, one, columns)) for one in changed] == changed, "kept as it is"


class LongStory(RuleBasedStateMachine):
    """A patient, the hosts, the gateways, staff and payers, each of whom may do anything at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Watched()
        self.done: list[Command] = []
        self.answers: list[PayerAnswered] = []
        self.world.hear(registered(), add("COV-1"), on_file(), session_ended())
        self.world.settle()

    # What may happen

    @rule(told=st.lists(st.tuples(facts, st.sampled_from([-DAY, -HOUR, 0 * HOUR])), min_size=1, max_size=3))
    def hosts_and_gateways_tell(self, told: list[tuple[Data, timedelta]]) -> None:
        self.world.hear(*(message(fact, at=self.world.now + late) for fact, late in told))

    @rule(command=wishes, actor=st.sampled_from([SELF, SELF, SELF, f"proxy:{PROXY}", STAFF, "guest"]))
    def somebody_asks(self, command: Command, actor: str) -> None:
        self._ask(command, actor)

    @rule(command=orders, actor=st.sampled_from([STAFF, STAFF, STAFF, STAFF, SELF]))
    def staff_ask(self, command: Command, actor: str) -> None:
        self._ask(command, actor)

    @rule(which=some, action=some, status=st.sampled_from(["active", "inactive"]))
    def staff_do_some_work(self, which: int, action: int, status: Any) -> None:
        work = one_of(sorted(self.world.patient.work.values(), key=lambda one: one.raised_at), which)
        if work is None:
            return
        settled: dict[str, Any] = {"action": one_of([*ACTIONS[work.kind]], action), "status": status}
        settled |= {"work_id": work.work_id, "patient_id": PATIENT}
        self._ask(SettleWork(**settled, note="As they said on the phone.", payer_id="SANDBOX01"), STAFF)

    @rule(which=some)
    def a_command_that_was_done_is_sent_again(self, which: int) -> None:
        command = one_of(self.done, which)
        if command is None:
            return
        before = lasting(self.world)
        ended, *more = self.world.hear(command, actor=STAFF)
        # Who orders payers, or has one asked, once more wants just that.
        if ended.outcome == "done" and not isinstance(command, VerifyAgain | SetPriority):
            assert not more
            assert lasting(self.world) == before
        assert getattr(ended.data, "reason", None) != "idempotency_conflict"

    @rule(result=results, ahead=waits)
    def time_passes(self, result: str, ahead: timedelta) -> None:
        def payer(task: AskPayer) -> PayerAnswered:
            self.answers.append(said_by_payer(task, result))
            return self.answers[-1]

        self.world.payer = payer
        self.world.settle(min(ahead, HOUR) if result == "postponed" else ahead)

    @rule(which=some)
    def an_answer_comes_again(self, which: int) -> None:
        again = one_of([one for one in self.answers if one.result != "postponed"], which)
        if again is None:
            return
        before, told = lasting(self.world), self.world.hear(again)
        assert (lasting(self.world), told) == (before, [])

    def _ask(self, command: Command, actor: str) -> None:
        # Work that is raised again at the very same moment would be the same.
        self.world.now += timedelta(seconds=1)
        told = self.world.hear(command, actor=actor)
        if told[0].outcome == "done":
            self.done.append(command)

    # What holds

    @invariant()
    def each_open_question_is_about_its_coverage_as_it_is_and_goes_on_once(self) -> None:
        patient = self.world.patient
        for asked in patient.verifications.values():
            if not asked.is_open:
                continue
            coming = self.world.coming(AskPayer, AskAgain)
            attempts = [one.attempt for one in coming if one.verification_id == asked.verification_id]
            assert attempts == [asked.attempt]
            coverage = patient.coverages[asked.coverage_id]
            assert coverage.is_live
            if asked.change_id is None:
                assert coverage.verification_id == asked.verification_id
                assert self._about(asked.verification_id, coverage)
            else:
                assert patient.changes[asked.change_id].status == "requested"

    @invariant()
    def a_coverage_shows_what_was_answered_about_its_own_policy(self) -> None:
        for one in self.world.patient.live():
            asked = self.world.patient.verifications.get(one.verification_id or "")
            under_way = asked is not None and asked.is_open
            assert under_way == (one.status == "verifying" or one.retry_at is not None)
            if one.answer_id is not None:
                assert self._about(one.answer_id, one)

    @invariant()
    def nothing_waits_for_what_will_not_come(self) -> None:
        checks = {(timer.coverage_id, timer.due_at) for timer in self.world.coming(CheckCoverage)}
        submits = self.world.coming(SubmitSession)
        for one in self.world.patient.coverages.values():
            if one.waiting_session is not None:
                assert any(
                    timer.session_id == one.waiting_session and (timer.came_by or one.added_at) >= one.added_at
                    for timer in submits
                )
            assert one.check_at is None or (one.coverage_id, one.check_at) in checks
            assert one.status not in ("active", "inactive") or one.check_at is not None
            assert one.status != "pending" or one.check_at is not None or one.waiting_session is not None
            assert one.is_live or (one.waiting_session, one.check_at, one.retry_at) == (None, None, None)

    @invariant()
    def each_verification_is_submitted_once_and_ends_once(self) -> None:
        submitted = {one.verification_id for one in self.world.said(VerificationSubmitted)}
        verified = [one.verification_id for one in self.world.said(CoverageVerified)]
        failed = self.world.said(CoverageNotVerified)
        ended = Counter([*verified, *(one.verification_id for one in failed if one.retry_at is None)])
        retried = Counter(one.verification_id for one in failed if one.retry_at is not None)
        assert not [one for one, times in (ended | retried).items() if times > 1]
        assert ended.keys() | retried.keys() <= submitted

    @invariant()
    def work_is_there_as_long_as_it_is_needed(self) -> None:
        patient = self.world.patient
        raised = {one.work_id for one in self.world.said(WorkRaised)}
        settled = {one.work_id for one in self.world.said(WorkSettled)}
        assert raised == patient.work.keys()
        assert settled >= {one.work_id for one in patient.work.values() if not one.is_open}
        still_open = [one for one in patient.work.values() if one.is_open]
        about = Counter((one.kind, one.coverage_id, one.change_id) for one in still_open)
        assert max(about.values(), default=1) == 1
        requested = {one.change_id for one in patient.changes.values() if one.status == "requested"}
        assert requested == {one.change_id for one in still_open if one.kind == "change-request"}
        first = {one.coverage_id for one in patient.live() if one.priority == 1}
        doubts = [one for one in patient.work.values() if one.kind == "two-primaries"]
        assert all(one.coverage_id in first and len(first) > 1 for one in doubts if one.is_open)
        closed = [one for one in doubts if one.is_open or one.action == "close"]
        assert len(first) < 2 or any(one.coverage_id in first for one in closed)

    def _about(self, verification_id: str, coverage: Coverage) -> bool:
        """Tell whether a question asks for the policy that a coverage is now."""
        asked = self.world.patient.verifications[verification_id].inquiry
        now = inquiry(DIRECTORY, self.world.patient, coverage.content, self.world.now)
        assert now is not None
        same = (now.payer_id, now.member_id) == (asked.payer_id, asked.member_id)
        return same and (asked.alone or asked.subscriber == now.subscriber)

    def teardown(self) -> None:
        """Once payers answer again, all that can be asked about is known, or somebody has been told."""
        self.world.payer = answer
        self.world.settle(80 * DAY)
        patient = self.world.patient
        for one in patient.live():
            work = [work for work in patient.work.values() if work.coverage_id == one.coverage_id]
            looked_at = any(each.is_open or each.action == "close" for each in work)
            assert one.status in ("active", "inactive", "needs-patient") or looked_at


TestLongStory = LongStory.TestCase
TestLongStory.settings = settings(max_examples=30, stateful_step_count=50)
