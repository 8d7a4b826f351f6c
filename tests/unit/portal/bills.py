"""Bills as payments shows them to the portal."""

from typing import Any

Json = dict[str, Any]


def account(**fields: Any) -> Json:
    plans = fields.get("plans", [])
    return {
        "account_number": "G-1",
        "guarantor": {"first_name": "Maria", "last_name": "Sandoval"},
        "relationship": "guarantor",
        "balance_minor": 10_000,
        "payable_minor": 0 if plans else 10_000,
        "currency": "USD",
        "visit_accounts": [],
        "newest_statement": None,
        "payments_in_progress": [],
        "plan": plans[0] if plans else None,
        "plans": plans,
    } | fields


def plan(*parts: Json, **fields: Any) -> Json:
    instalments = list(parts) or [part()]
    return {
        "plan_id": "plan-1",
        "account_number": "G-1",
        "status": "active",
        "currency": "USD",
        "monthly_amount_minor": 2_500,
        "day_of_month": 15,
        "autopay": False,
        "method": None,
        "visit_account_numbers": ["V-1"],
        "total_minor": sum(one["amount_minor"] for one in instalments),
        "paid_minor": 0,
        "remaining_minor": 10_000,
        "instalments": instalments,
    } | fields


def part(
    status: str = "scheduled", amount_minor: int = 10_000, number: int = 1, due_on: str = "2026-01-15"
) -> Json:
    return {"number": number, "due_on": due_on, "amount_minor": amount_minor, "status": status}


def payment(**fields: Any) -> Json:
    return {
        "payment_id": "pay-1",
        "account_number": "G-1",
        "amount_minor": 10_000,
        "currency": "USD",
        "status": "succeeded",
        "reason": None,
        "method": {"kind": "card", "last4": "4242", "brand": "visa"},
        "plan_id": None,
        "refunded_minor": 0,
        "dispute_status": None,
        "created_at": "2026-01-15T12:00:00Z",
    } | fields


def visit(number: str = "V-1", **fields: Any) -> Json:
    return {
        "visit_account_number": number,
        "patient_id": "p-1",
        "visit_date": "2026-01-02",
        "description": f"Visit to {number}",
        "closed": False,
        "plan_id": None,
        "charges_minor": 10_000,
        "insurance_paid_minor": 0,
        "adjustments_minor": 0,
        "paid_minor": 0,
        "balance_minor": 10_000,
        "payable_minor": 10_000,
    } | fields


def statement(**fields: Any) -> Json:
    return {
        "statement_id": "S-1",
        "issued_on": "2026-01-05",
        "due_on": "2026-02-01",
        "period_from": "2025-12-01",
        "period_to": "2025-12-31",
        "amount_due_minor": 10_000,
        "currency": "USD",
    } | fields
