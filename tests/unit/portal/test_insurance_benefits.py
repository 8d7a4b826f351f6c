"""What a payer said becomes bars, and what it did not say never becomes a zero."""

import pytest

from portal.insurance.benefits import by_network, copays, summary
from shared.events.insurance import Benefit


def told(
    kind: str = "deductible",
    period: str = "year",
    amount: int | None = 150_000,
    *,
    level: str = "individual",
    network: str = "in",
    service: str = "30",
    percent: float | None = None,
    reported: bool = True,
) -> Benefit:
    return Benefit.model_validate(
        {
            "kind": kind,
            "level": level,
            "network": network,
            "period": period,
            "amount_minor": amount,
            "currency": "USD" if amount is not None else None,
            "percent": percent,
            "service_type": service,
            "reported": reported,
        }
    )


@pytest.mark.parametrize(
    ("benefits", "total", "left", "percent"),
    [
        ([told(), told(period="remaining", amount=45_000)], 150_000, 45_000, 70),
        ([told()], 150_000, None, None),
        ([told(period="remaining", amount=45_000)], None, 45_000, None),
        ([told(reported=False, amount=None)], None, None, None),
        ([], None, None, None),
        ([told(amount=0), told(period="remaining", amount=0)], 0, 0, 100),
        ([told(), told(period="remaining", amount=200_000)], 150_000, 200_000, 0),
    ],
)
def test_a_bar_shows_what_is_used_only_where_total_and_rest_are_reported(
    benefits: list[Benefit], total: int | None, left: int | None, percent: int | None
) -> None:
    bar = summary(benefits)[0]
    assert (bar.total_minor, bar.left_minor, bar.percent) == (total, left, percent)
    assert bar.reported is (total is not None or left is not None)


def test_the_plans_own_limit_wins_over_that_of_a_single_service() -> None:
    bar = summary([told(amount=5_000, service="35"), told(amount=150_000)])[0]
    assert bar.total_minor == 150_000


def test_a_card_shows_the_network_that_matters_most_and_the_details_show_each() -> None:
    benefits = [told(network="out", amount=400_000), told(network="any", amount=300_000)]
    assert summary(benefits)[0].network == "any"
    assert [network for network, _bars in by_network(benefits)] == ["any", "out"]
    assert summary([told(network="out")])[0].network == "out"


def test_shares_are_listed_with_copays_and_the_own_network_first_and_without_what_has_no_figure() -> None:
    shares = [
        told("copay", "visit", 9_000, network="out"),
        told("coinsurance", "other", None, percent=20),
        told("copay", "visit", 2_500, service="98"),
        told("copay", "visit", None, service="86"),
        told("copay", "visit", 100, reported=False),
    ]
    assert [(one.kind, one.amount_minor, one.percent) for one in copays(shares)] == [
        ("copay", 2_500, None),
        ("coinsurance", None, 20),
        ("copay", 9_000, None),
    ]
