"""What is kept for good of a plan: who brought about what, when, and by which consent it was debited."""

from datetime import timedelta

from services.payments.domain.records import PlanEntry
from shared.events.plans import Authorization, CancelPlan, ChangePlan, PausePlan, ResumePlan
from tests.unit.payments.plan_story import BY_BANK, PLAN, due, host, plan_of, returned, started
from tests.unit.payments.story import CARD, NOW, opened, when


def test_each_way_in_which_a_plan_stood_is_noted_with_who_brought_it_about() -> None:
    account = started(**BY_BANK)
    day = timedelta(days=1)
    account = when(account, PausePlan(**PLAN, reason="Lost my job"), at=NOW + day).state
    account = when(account, ResumePlan(**PLAN), at=NOW + 2 * day, actor="staff:ann").state
    account = when(account, ChangePlan(**PLAN, day_of_month=15), at=NOW + 3 * day, actor="proxy:P-2").state
    account = when(account, CancelPlan(**PLAN, reason="Paid by a fund"), at=NOW + 4 * day, actor="staff:bob").state

    assert [
        ((one.at - NOW).days, one.actor, one.status, one.day_of_month, one.reason) for one in account.plan_history
    ] == [
        (0, "patient:P-1", "active", 31, None),
        (1, "patient:P-1", "paused", 31, "Lost my job"),
        (2, "staff:ann", "active", 31, None),
        (3, "proxy:P-2", "active", 15, None),
        (4, "staff:bob", "cancelled", 15, "Paid by a fund"),
    ]


def test_a_consent_stays_known_after_another_took_its_place_and_after_it_was_revoked() -> None:
    later = Authorization(text_version="v2", accepted_at=NOW + timedelta(days=9))
    changed = when(started(**BY_BANK), ChangePlan(**PLAN, method=CARD, authorization=later), at=NOW).state
    revoked = returned(started(**BY_BANK), "R10").state

    def consents(*noted: PlanEntry) -> list[tuple[str | None, str | None]]:
        return [
            (
                one.method.kind if one.method else None,
                one.authorization.text_version if one.authorization else None,
            )
            for one in noted
        ]

    assert consents(*changed.plan_history) == [("bank_account", "v1"), ("card", "v2")]
    assert consents(*revoked.plan_history) == [("bank_account", "v1"), (None, "v1")]
    assert "tok_" not in repr(changed.plan_history)


def test_what_leaves_a_plan_as_it_stood_and_what_is_told_again_is_not_noted() -> None:
    account = started()
    for same in (due(account), when(account, ChangePlan(**PLAN, day_of_month=plan_of(account).day_of_month))):
        assert same.state.plan_history == account.plan_history


def test_a_payer_who_leaves_the_account_is_noted_as_the_hosts_doing() -> None:
    account = started()

    left = host(account, opened(guarantor=opened().guarantor.model_copy(update={"person_id": "P-9"})))

    assert [(one.actor, one.autopay) for one in left.plan_history] == [
        ("patient:P-1", True),
        ("host:billing", False),
    ]
