"""Coverages and what payers said of them as FHIR R4 resources, in plain JSON.

Made by hand, for it is little; a test has a library that knows the standard read what is made here.
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import md5
from typing import Any, Final

from services.insurance.domain.patient import CoverageStatus
from services.insurance.reads import ShownCoverage
from shared.events.insurance import Benefit

Resource = dict[str, Any]

MEDIA_TYPE: Final = "application/fhir+json"
VERSION: Final = "4.0.1"
SEARCHABLE: Final = ("Coverage", "CoverageEligibilityResponse")

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem"
_STATUSES: Final[Mapping[CoverageStatus, str]] = {
    "active": "active",
    "inactive": "cancelled",
    "removed": "cancelled",
    "pending": "draft",
    "verifying": "draft",
    "needs-patient": "draft",
    "needs-staff": "draft",
    "undetermined": "draft",
}
_RELATIONSHIPS: Final = {"self": "self", "spouse": "spouse", "child": "child", "other": "other"}
_TYPES: Final = {"deductible": "deductible", "copay": "copay", "coinsurance": "copay-percent"}
_CENTS: Final = 100


def fhir_id(own: str) -> str:
    """Return an id that FHIR allows: our own where it does, else one that follows from it.

    That one is MD5, by which the database too finds what has it.
    """
    return own if _ID.fullmatch(own) else md5(own.encode(), usedforsecurity=False).hexdigest()


def _coded(system: str, code: str) -> Resource:
    return {"coding": [{"system": f"{_SYSTEM}/{system}", "code": code}]}


def coverage(shown: ShownCoverage, member_id: str) -> Resource:
    """Return a Coverage with the member id as the reader may see it.

    Its identifier is ours, whatever its id had to become.
    """
    one, content = shown.coverage, shown.coverage.content
    subscriber = f"{content.subscriber.first_name} {content.subscriber.last_name}".strip()
    found: Resource = {
        "resourceType": "Coverage",
        "id": fhir_id(one.coverage_id),
        "meta": {"versionId": str(one.version), "lastUpdated": one.updated_at.isoformat()},
        "identifier": [{"value": one.coverage_id}],
        "status": _STATUSES[one.status],
        "subscriberId": member_id,
        "beneficiary": {"reference": f"Patient/{fhir_id(shown.patient_id)}"},
        "relationship": _coded("subscriber-relationship", _RELATIONSHIPS[content.relationship]),
        "payor": [{"display": content.payer_name}],
        "order": one.priority,
    }
    if subscriber:
        found["subscriber"] = {"display": subscriber}
    period = {"start": content.effective_from, "end": content.effective_to}
    if any(period.values()):
        found["period"] = {name: day.isoformat() for name, day in period.items() if day}
    classes = {"plan": shown.plan_name, "group": content.group_number}
    if any(classes.values()):
        found["class"] = [
            {"type": _coded("coverage-class", name), "value": value} for name, value in classes.items() if value
        ]
    return found


def eligibility(shown: ShownCoverage) -> Resource | None:
    """Return the CoverageEligibilityResponse for what the payer said last; nothing before it said anything."""
    one = shown.coverage
    if one.verified_at is None or one.answer_id is None:
        return None
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": fhir_id(one.answer_id),
        "status": "active",
        "purpose": ["validation", "benefits"],
        "patient": {"reference": f"Patient/{fhir_id(shown.patient_id)}"},
        "created": one.verified_at.isoformat(),
        "request": {"identifier": {"value": one.answer_id}},
        "outcome": "complete",
        "insurer": {"display": one.content.payer_name},
        "insurance": [
            {
                "coverage": {"reference": f"Coverage/{fhir_id(one.coverage_id)}"},
                "inforce": shown.said == "active",
                "item": _items(shown.benefits),
            }
        ],
    }


def _items(benefits: Iterable[Benefit]) -> list[Resource]:
    """Return what was reported; of a sum, what is used of it where the payer said what is left."""
    told = [one for one in benefits if one.reported and one.kind != "active"]
    left = {
        (one.kind, one.level, one.network, one.service_type): one.amount_minor
        for one in told
        if one.period == "remaining"
    }
    items = []
    for one in told:
        if one.period == "remaining":
            continue
        kind = _TYPES.get(one.kind)
        benefit: Resource = {"type": _coded("benefit-type", kind) if kind else {"text": "out-of-pocket maximum"}}
        remaining = left.get((one.kind, one.level, one.network, one.service_type))
        if one.amount_minor is not None:
            benefit["allowedMoney"] = _money(one.amount_minor, one.currency)
            if remaining is not None:
                benefit["usedMoney"] = _money(one.amount_minor - remaining, one.currency)
        else:
            benefit["allowedString"] = f"{one.percent:g} %"
        item: Resource = {
            "category": {"coding": [{"system": f"{_SYSTEM}/service-type", "code": one.service_type}]},
            "unit": _coded("benefit-unit", one.level),
            "benefit": [benefit],
        }
        if one.network != "any":
            item["network"] = _coded("benefit-network", one.network)
        if one.period == "year":
            item["term"] = _coded("benefit-term", "annual")
        items.append(item)
    return items


def _money(minor: int, currency: str | None) -> Resource:
    return {"value": minor / _CENTS, "currency": currency or "USD"}


def bundle(resources: Iterable[Resource]) -> Resource:
    """Return the answer to a search."""
    found = [
        {"fullUrl": f"urn:{one['resourceType']}:{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    answer: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    return answer | ({"entry": found} if found else {})


def capabilities() -> Resource:
    """Return the CapabilityStatement: what can be read and searched."""
    search = [{"name": "patient", "type": "reference"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "implementation": {"description": "Coverages of a patient portal's back office"},
        "fhirVersion": VERSION,
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {
                        "type": name,
                        "interaction": [{"code": "search-type"}, {"code": "read"}],
                        "searchParam": search,
                    }
                    for name in SEARCHABLE
                ],
            }
        ],
    }
