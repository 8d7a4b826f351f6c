from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import islice

import pytest

from sandbox.hospital import Account, facts, statement
from sandbox.host import message, said
from sandbox.people import LEO, MARIA, USERS
from sandbox.scenarios import MEMBERS, SMALL, hospital
from sandbox.told import Told
from shared.events.billing import AdjustmentPosted, ChargePosted, VisitAccountClosed
from shared.events.envelope import Reader, write
from shared.events.registration import CoverageOnFile, PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled, DocumentRequested
from shared.events.topics import HOST_BILLING, HOST_REGISTRATION, HOST_SCHEDULING
from tests.outside.sandbox.world import World

TODAY = date(2026, 3, 2)
ACCOUNTS = [*SMALL, *islice(hospital(7), 50)]


def balance_of_what_is_told(account: Account) -> int:
    """Add up the facts as a reader of the topic would."""
    owed: dict[str, int] = defaultdict(int)
    for fact in facts(account, TODAY):
        match fact:
            case ChargePosted() | AdjustmentPosted():
                owed[fact.visit_account_number] += fact.amount_minor
            case VisitAccountClosed():
                del owed[fact.visit_account_number]
    return sum(owed.values())


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.number)
def test_what_is_told_of_an_account_adds_up_to_its_balance(account: Account) -> None:
    assert balance_of_what_is_told(account) == account.balance_minor > 0
    assert 2 <= len(account.visits) <= 3
    assert all(visit.balance_minor >= 0 for visit in account.visits)


def test_every_message_reads_as_the_contract_has_it_and_has_an_id_of_its_own() -> None:
    readers = {topic: Reader(*topic.carries) for topic in (HOST_BILLING, HOST_REGISTRATION, HOST_SCHEDULING)}
    messages = [message(fact, TODAY) for account in ACCOUNTS for fact in said(account, TODAY)]
    for topic, sent in messages:
        read = readers[topic].read(write(sent))
        assert read == sent
        key = "account_number" if topic is HOST_BILLING else "patient_id"
        assert read.subject == getattr(read.data, key, None)
        assert read.source == read.actor == f"host:{topic.name.split('.')[1]}-sandbox"
        assert read.time == datetime(2026, 3, 2, tzinfo=UTC)
    assert len({sent.id for _, sent in messages}) == len(messages)
    assert {topic for topic, _ in messages} == set(readers)


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.number)
def test_a_household_is_registered_before_more_is_said_of_it_and_a_child_has_a_proxy(account: Account) -> None:
    registered: dict[str, PatientRegistered] = {}
    for fact in said(account, TODAY):
        match fact:
            case PatientRegistered():
                registered[fact.patient_id] = fact
            case CoverageOnFile():
                assert fact.patient_id in registered
                assert any(map(fact.member_id.startswith, MEMBERS))
                if fact.relationship == "self":
                    assert fact.subscriber.birth_date == registered[fact.patient_id].birth_date
            case AppointmentBooked() | AppointmentCancelled() | DocumentRequested():
                assert fact.patient_id in registered
    assert {visit.patient_id for visit in account.visits} <= registered.keys()
    for one in registered.values():
        assert (TODAY - one.birth_date).days > 18 * 365 or one.proxies


def test_the_answer_names_patients_with_whom_they_may_write_to_and_what_is_on_file() -> None:
    told = Told.of(SMALL, Counter())
    leo = next(patient for patient in told.patients if patient.patient_id == LEO.patient_id)
    assert (leo.person_id, leo.proxies) == (None, [MARIA.person_id])
    assert [(one.payer_id, one.member_id) for one in leo.coverages] == [("SANDBOX01", "ACTIVE1002")]
    assert leo.providers == ["sbx-provider-chen"]
    names = {provider.provider_id: provider.name for provider in told.providers}
    assert names["sbx-provider-chen"] == "Wei Chen, MD"
    maria = next(patient for patient in told.patients if patient.patient_id == MARIA.patient_id)
    assert maria.providers == ["sbx-provider-rivera"], "a cancelled appointment is no reason to write"


def test_a_hospital_has_members_of_every_kind() -> None:
    on_file = [
        one for account in islice(hospital(7), 400) for patient in account.patients for one in patient.coverages
    ]
    for begins in MEMBERS:
        assert any(one.member_id.startswith(begins) for one in on_file), begins


def test_the_same_seed_makes_the_same_accounts_however_many_and_another_seed_others() -> None:
    assert list(islice(hospital(7), 3)) == list(islice(hospital(7), 50))[:3]
    assert {account.number for account in islice(hospital(8), 50)}.isdisjoint(
        account.number for account in ACCOUNTS
    )


def test_the_small_scenario_has_a_closed_visit_a_statement_a_viewer_and_the_people_who_can_log_in() -> None:
    told = [fact for account in SMALL for fact in facts(account, TODAY)]
    types = [fact.TYPE for fact in told]
    assert types.count("billing.visit-account-closed.v1") == 1
    assert types.count("billing.statement-issued.v1") == 1
    assert any(account.viewers for account in SMALL)
    guarantors = {account.guarantor.person_id for account in SMALL}
    assert {user.person_id for user in USERS.values() if user.person_id} < guarantors


def test_a_statement_asks_for_the_balance_and_comes_once_a_day() -> None:
    account = SMALL[0]
    issued = statement(account, TODAY)
    assert issued.amount_due_minor == account.balance_minor
    assert issued.period_from < issued.period_to < issued.issued_on < issued.due_on
    assert statement(account, TODAY) == issued
    assert statement(account, date(2026, 3, 3)).statement_id != issued.statement_id


async def test_without_kafka_the_host_is_silent_and_says_so(world: World) -> None:
    status, problem = await world.post("/host/scenarios/small")
    assert (status, problem["status"]) == (503, 503)


async def test_an_unknown_scenario_is_answered_with_the_known_ones(world: World) -> None:
    status, problem = await world.post("/host/scenarios/tiny")
    assert status == 404
    assert "small, hospital" in problem["detail"]


async def test_a_host_that_knows_nobody_bills_nobody(world: World) -> None:
    status, problem = await world.post("/host/statement-run", params={"accounts": 1})
    assert (status, problem["status"]) == (409, 409)


@pytest.mark.parametrize("accounts", ["0", "-1", "many", "50001"])
async def test_a_hospital_has_a_bounded_number_of_accounts(world: World, accounts: str) -> None:
    for path in ("/host/scenarios/hospital", "/host/statement-run"):
        status, problem = await world.post(path, params={"accounts": accounts})
        assert (status, problem["fields"][0]["field"]) == (422, "query.accounts")
