"""What the host systems answer about what they have told: how much, and about whom."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel

from sandbox.hospital import CURRENCY, Account
from sandbox.patients import Patient, Provider


class ToldVisit(BaseModel):
    """A visit account, and what is owed on it."""

    visit_account_number: str
    patient_id: str
    balance_minor: int
    closed: bool


class ToldAccount(BaseModel):
    """A guarantor account, and what is owed on it: the sum of its visits that are not closed."""

    account_number: str
    guarantor_person_id: str
    first_name: str
    last_name: str
    viewers: list[str]
    affiliate: str
    currency: str
    balance_minor: int
    visits: list[ToldVisit]

    @classmethod
    def of(cls, account: Account) -> "ToldAccount":
        """Sum up an account."""
        return cls(
            account_number=account.number,
            guarantor_person_id=account.guarantor.person_id,
            first_name=account.guarantor.first_name,
            last_name=account.guarantor.last_name,
            viewers=[viewer.person_id for viewer in account.viewers],
            affiliate=account.affiliate,
            currency=CURRENCY,
            balance_minor=account.balance_minor,
            visits=[
                ToldVisit(
                    visit_account_number=number,
                    patient_id=visit.patient_id,
                    balance_minor=visit.balance_minor,
                    closed=visit.closed,
                )
                for number, visit in account.numbered_visits()
            ],
        )


class ToldProvider(BaseModel):
    """A provider, whom the patients that name it may write to."""

    provider_id: str
    name: str
    affiliate: str

    @classmethod
    def of(cls, provider: Provider) -> "ToldProvider":
        """Sum up a provider."""
        return cls(provider_id=provider.provider_id, name=provider.name, affiliate=provider.affiliate)


class ToldCoverage(BaseModel):
    """Insurance on file."""

    coverage_id: str
    payer_id: str
    member_id: str


class ToldPatient(BaseModel):
    """A patient: the login, who acts for them, what insurance is on file, and whom they may write to."""

    patient_id: str
    person_id: str | None
    first_name: str
    last_name: str
    birth_date: date
    affiliate: str
    proxies: list[str]
    coverages: list[ToldCoverage]
    providers: list[str]

    @classmethod
    def of(cls, patient: Patient) -> "ToldPatient":
        """Sum up a patient."""
        person = patient.person
        return cls(
            patient_id=person.patient_id,
            person_id=person.person_id if patient.logs_in else None,
            first_name=person.first_name,
            last_name=person.last_name,
            birth_date=person.birth_date,
            affiliate=patient.affiliate,
            proxies=[proxy.person_id for proxy in patient.proxies],
            coverages=[
                ToldCoverage(coverage_id=number, payer_id=coverage.payer_id, member_id=coverage.member_id)
                for number, coverage in patient.numbered_coverages()
            ],
            providers=[provider.provider_id for provider in patient.providers],
        )


class Told(BaseModel):
    """What was published: how many messages, in all and on each topic, and about whom."""

    messages: int
    topics: dict[str, int]
    accounts: list[ToldAccount]
    patients: list[ToldPatient]
    providers: list[ToldProvider]

    @classmethod
    def of(cls, accounts: Sequence[Account], topics: Counter[str]) -> "Told":
        """Sum up what was said of these accounts."""
        patients = [patient for account in accounts for patient in account.patients]
        providers = dict.fromkeys(provider for patient in patients for provider in patient.providers)
        return cls(
            messages=topics.total(),
            topics=topics,
            accounts=[ToldAccount.of(account) for account in accounts],
            patients=[ToldPatient.of(patient) for patient in patients],
            providers=[ToldProvider.of(provider) for provider in providers],
        )
