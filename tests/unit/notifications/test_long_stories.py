"""Long stories of all that notifications can hear, in any order: what holds at every moment, and in the end."""

from collections import Counter
from datetime import time as time_of_day
from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.notifications.domain.alerts import QUERY_WAITS
from services.notifications.domain.contacts import BETWEEN_CODES, CODES_OF_CONTACT_MAX, CODES_OF_PERSON_MAX
from services.notifications.domain.internal import (
    HearCodeReceipt,
    HearReceipt,
    HearText,
    QueryAlert,
    ReceiptStatus,
    SendAlert,
    Unsubscribe,
)
from services.notifications.domain.person import Enrolment, by_channel
from shared.events.envelope import Command, Data
from shared.events.notifications import (
    REFUSAL_REASONS,
    AlertDelivered,
    AlertFailed,
    AlertSent,
    AlertUnknown,
    CommandRefused,
    EnrolPaperless,
    PaperlessEnded,
    PaperlessEnrolled,
    PaperStatementDue,
    ResendCode,
)
from tests.unit.notifications.office import TAKEN, Office
from tests.unit.notifications.story import (
    ACCOUNT,
    EMAIL,
    NUMBER,
    RULES,
    TEXT,
    VIEWER,
    WHO,
    add,
    confirm,
    enrol,
    opened,
    registered,
    remove,
    resend,
    statement,
    withdraw,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OTHER_TEXT = "C-text-2"

emails, numbers = st.just(EMAIL), st.sampled_from([TEXT, OTHER_TEXT])
contacts = emails | numbers
some = st.integers(0, 5)

wishes = st.one_of(
    st.builds(add, contacts),
    st.builds(resend, contacts),
    st.builds(enrol, emails | st.none(), numbers | st.none()),
    st.builds(enrol, emails, accepted=st.just(False)),
    st.builds(enrol, emails, text_version=st.just("of last year")),
    st.builds(withdraw),
    st.builds(remove, st.just(OTHER_TEXT)),
)
facts = st.one_of(
    st.sampled_from([opened(WHO), opened(WHO, VIEWER), opened(VIEWER, WHO), opened(VIEWER)]),
    st.sampled_from(["America/New_York", "America/Los_Angeles", "Asia/Tokyo", "nowhere"]).map(registered),
)
statements = st.integers(1, 40).map(lambda number: statement(f"S-{number}", WHO, VIEWER))
results = st.sampled_from(["sent", "delivered", "not_sent", "not_sent", "refused", "failed", "unknown"])
waits = st.sampled_from([timedelta(), MINUTE, 11 * MINUTE, HOUR, 7 * HOUR, 11 * HOUR, 30 * DAY])


class LongStory(RuleBasedStateMachine):
    """A person, the hosts, providers and a phone, each of whom may do anything at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.office = Office()
        self.done: list[Command] = []
        self.seen: list[tuple[str, Enrolment]] = []
        self.guarantors: set[str | None] = {WHO}
        self.office.hear(registered("America/New_York"))
        for contact_id in (EMAIL, TEXT):
            self._ask(add(contact_id))
        self.the_person_puts_things_right()

    # What may happen

    @rule(command=wishes, actor=st.sampled_from([f"patient:{WHO}"] * 4 + [f"patient:{VIEWER}"]))
    def somebody_asks(self, command: Command, actor: str) -> None:
        self._ask(command, actor)

    @rule()
    def the_person_puts_things_right(self) -> None:
        self.office.hear(opened(WHO, VIEWER))
        for contact_id in (EMAIL, TEXT):
            self._ask(resend(contact_id))
            self._ask(confirm(self._code(contact_id), contact_id))
        self._ask(enrol(EMAIL, TEXT))

    @rule(contact_id=contacts, right=st.sampled_from([True, True, False]))
    def somebody_types_a_code(self, contact_id: str, right: bool) -> None:
        self._ask(confirm(self._code(contact_id) if right else "0", contact_id))

    @rule(which=some)
    def a_command_that_was_done_is_sent_again(self, which: int) -> None:
        command = self.done[-1 - which % len(self.done)]
        before = len(self.office.consents)
        ended, *more = self.office.hear(command).events
        if ended.outcome == "done" and not isinstance(command, ResendCode):
            enrolled_anew = isinstance(command, EnrolPaperless) and len(self.office.consents) > before
            assert not more or enrolled_anew
        assert getattr(ended.data, "reason", None) != "idempotency_conflict"

    @rule(fact=facts, late=st.sampled_from([0 * HOUR, -HOUR]))
    def hosts_tell(self, fact: Data, late: timedelta) -> None:
        self.office.hear(fact, at=self.office.now + late)
        self.guarantors |= {self.office.accounts[ACCOUNT].guarantor}

    @rule(told=statements, result=results | st.none())
    def a_statement_can_be_read(self, told: Data, result: str | None) -> None:
        self.office.hear(told)
        if result is not None:
            self.office.settle(result=result)

    @rule(word=st.sampled_from(["stop", "start", "help"]))
    def the_phone_texts(self, word: Any) -> None:
        self.office.hear(HearText(destination_id=RULES.destination("text", NUMBER), word=word))
        self.office.settle()

    @rule(which=some, status=st.sampled_from(get_args(ReceiptStatus)))
    def a_receipt_comes(self, which: int, status: Any) -> None:
        taken = [alert for alert, result, *_ in self.office.sent if result in TAKEN]
        if taken:
            alert_id = taken[-1 - which % len(taken)].alert_id
            self.office.hear(HearReceipt(alert_id=alert_id, account_number=ACCOUNT, status=status))

    @rule(contact_id=contacts, status=st.sampled_from(get_args(ReceiptStatus)))
    def a_receipt_of_a_code_comes(self, contact_id: str, status: Any) -> None:
        contact = self.office.persons[WHO].contacts.get(contact_id)
        if contact is not None:
            about = {"person_id": WHO, "contact_id": contact_id, "code_id": contact.code.code_id}
            self.office.hear(HearCodeReceipt(**about, status=status))

    @rule(contact_id=contacts)
    def somebody_follows_the_link(self, contact_id: str) -> None:
        self.office.hear(Unsubscribe(person_id=WHO, contact_id=contact_id), actor="guest")

    @rule(ahead=waits, result=results)
    def time_passes(self, ahead: timedelta, result: Any) -> None:
        self.office.settle(ahead, result)

    @rule(which=some)
    def an_answer_comes_again(self, which: int) -> None:
        if self.office.answers:
            before = {key: one.status for key, one in self.office.accounts[ACCOUNT].alerts.items()}
            decided = self.office.hear(self.office.answers[-1 - which % len(self.office.answers)])
            assert (decided.events, decided.tasks) == ((), ())
            after = self.office.accounts[ACCOUNT]
            assert {key: one.status for key, one in after.alerts.items()} == before

    def _ask(self, command: Command, actor: str = f"patient:{WHO}") -> None:
        before = self.office.persons.get(WHO)
        ended, *more = self.office.hear(command, actor).events
        if ended.outcome == "done":
            self.done.append(command)
            return
        assert isinstance(ended.data, CommandRefused)
        assert ended.data.reason in REFUSAL_REASONS
        assert not more
        if before is not None and ended.data.reason != "code_wrong":  # of which the tries are counted
            after = self.office.persons[WHO]
            assert (after.contacts, after.enrolments) == (before.contacts, before.enrolments)

    def _code(self, contact_id: str) -> str:
        contact = self.office.persons[WHO].contacts.get(contact_id)
        return RULES.code(contact.code.code_id) if contact is not None else "0"

    # What holds

    @invariant()
    def an_alert_is_never_sent_again_after_it_may_have_arrived(self) -> None:
        taken = Counter(alert.alert_id for alert, result, *_ in self.office.sent if result in TAKEN)
        assert max(taken.values(), default=0) <= 1
        last = {alert.alert_id: result for alert, result, *_ in self.office.sent}
        assert all(last[alert_id] in TAKEN for alert_id in taken)

    @invariant()
    def an_alert_that_has_not_ended_goes_on_once(self) -> None:
        tasks = [task for _, _, task in self.office.due if isinstance(task, SendAlert | QueryAlert)]
        coming = Counter((type(task), task.alert_id) for task in tasks)
        for alert in self.office.accounts[ACCOUNT].alerts.values():
            assert coming[SendAlert, alert.alert_id] == (alert.status == "created")
            given_up = alert.queries == len(QUERY_WAITS)
            assert coming[QueryAlert, alert.alert_id] or alert.status != "unknown" or given_up

    @invariant()
    def an_alert_is_sent_at_hours_when_its_reader_is_awake(self) -> None:
        for alert, _, at, zones in self.office.sent:
            known = [zone for zone in zones if zone != "nowhere"]
            if alert.channel == "text" and known:
                assert time_of_day(8) <= at.astimezone(ZoneInfo(known[0])).time() < time_of_day(21)

    @invariant()
    def who_was_not_reached_gets_paper(self) -> None:
        account = self.office.accounts[ACCOUNT]
        for told in self._said(AlertFailed):
            alert = account.alerts[told.alert_id]
            if alert.status == "failed" and self.guarantors == {told.person_id}:
                assert account.statements[alert.statement_id].paper_reason is not None

    @invariant()
    def each_step_of_an_alert_is_told_once_and_paper_once(self) -> None:
        steps = (AlertSent, AlertDelivered, AlertFailed, AlertUnknown)
        said = Counter((type(one), one.alert_id) for one in self._said(*steps))
        paper = Counter(one.statement_id for one in self._said(PaperStatementDue))
        assert max([*said.values(), *paper.values()], default=1) == 1
        account = self.office.accounts[ACCOUNT]
        assert paper.keys() == {key for key, one in account.statements.items() if one.paper_reason is not None}

    @invariant()
    def consent_is_kept_as_it_was_and_told_as_it_is(self) -> None:
        for (person_id, kept), told in zip(self.office.consents, self.seen, strict=False):
            assert (person_id, kept) == told, "what was written is never changed"
        self.seen = list(self.office.consents)
        enrolment = self.office.persons[WHO].enrolments[ACCOUNT]
        newest = [one for whose, one in self.office.consents if whose == WHO][-1]
        consented = (newest.text_version, newest.consented_at, newest.ended_at, newest.ended_reason)
        assert consented == (
            *(enrolment.text_version, enrolment.consented_at),
            *(enrolment.ended_at, enrolment.ended_reason),
        )
        last = self._said(PaperlessEnrolled, PaperlessEnded)[-1]
        assert isinstance(last, PaperlessEnrolled) == enrolment.in_force

    @invariant()
    def who_gave_up_paper_is_within_reach_or_may_be_again(self) -> None:
        person = self.office.persons[WHO]
        enrolment = person.enrolments[ACCOUNT]
        if enrolment.in_force:
            chosen = [person.contacts[one] for one in by_channel(enrolment.alerts).values()]
            assert all(one.status in ("verified", "refused", "pending") for one in chosen)
            assert chosen or person.reachable

    @invariant()
    def a_contact_counts_only_when_it_was_confirmed_and_a_removed_one_is_forgotten(self) -> None:
        for one in self.office.persons[WHO].contacts.values():
            assert one.status != "verified" or one.verified_at is not None
            assert (one.address is None) == (one.status == "removed")

    @invariant()
    def codes_are_few_and_far_between(self) -> None:
        for at in {sent_at for *_, sent_at in self.office.codes}:
            day = [one for one in self.office.codes if at <= one[3] < at + DAY]
            assert len(day) <= CODES_OF_PERSON_MAX
            for contact_id, sent in Counter(one[1] for one in day).items():
                assert sent <= CODES_OF_CONTACT_MAX
                near = [one for one in day if one[1] == contact_id and one[3] < at + BETWEEN_CODES]
                assert len(near) <= 1

    def _said(self, *kinds: type[Data]) -> list[Any]:
        return [event.data for event in self.office.told if isinstance(event.data, kinds)]

    def teardown(self) -> None:
        """Once providers answer, each alert has ended, and who is enrolled may see the account."""
        self.office.settle(9 * DAY)
        account = self.office.accounts[ACCOUNT]
        for alert in account.alerts.values():
            paper = account.statements[alert.statement_id].paper_reason is not None
            assert alert.status in ("sent", "delivered", "failed", "suppressed") or paper
        for person in self.office.persons.values():
            enrolled = ACCOUNT in person.enrolments and person.enrolments[ACCOUNT].in_force
            assert not enrolled or person.person_id in account.persons


TestLongStory = LongStory.TestCase
TestLongStory.settings = settings(max_examples=60, stateful_step_count=50)
