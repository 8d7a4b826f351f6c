"""What protects the lookup of bills by guests: challenges that are used once, and what counts as one address."""

import base64
import json
from typing import Any

import altcha
import pytest

from services.payments.guests import challenge, network, solved

SECRET = "a secret of more than 16 characters"


def solution() -> dict[str, Any]:
    asked = altcha.Challenge.from_dict(challenge(SECRET, cost=1))
    found = altcha.solve_challenge(asked)
    assert found is not None
    told: dict[str, Any] = altcha.Payload(asked, found).to_dict()
    return told


def written(told: object) -> str:
    return base64.b64encode(json.dumps(told).encode()).decode()


def test_a_solved_challenge_is_the_same_however_it_is_written() -> None:
    told = solution()
    parameters = told["challenge"]["parameters"]
    as_float = {**parameters, "expiresAt": float(parameters["expiresAt"])}
    backwards = dict(reversed(parameters.items()))
    ways = [told["challenge"] | {"parameters": one} for one in (parameters, as_float, backwards)]

    found = {solved(written(told | {"challenge": way}), SECRET) for way in ways}

    assert len(found) == 1
    assert None not in found
    assert solved(written(solution()), SECRET) not in found


@pytest.mark.parametrize("name", ["cost", "keyLength"])
def test_a_challenge_that_cannot_be_worked_with_is_not_solved(name: str) -> None:
    told = solution()
    parameters = told["challenge"]["parameters"]
    parameters[name] = float(parameters[name])

    assert solved(written(told), SECRET) is None


@pytest.mark.parametrize("captcha", ["", "é", "bm90IHNvbHZlZA==", written([]), written({"challenge": 1})])
def test_what_is_no_solved_challenge_is_not_solved(captcha: str) -> None:
    assert solved(captcha, SECRET) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", " 203.0.113.7"),
        ("203.0.113.7", "::ffff:203.0.113.7"),
        ("203.0.113.7", "::FFFF:cb00:7107"),
        ("2001:db8:1:2::1", "2001:0DB8:1:2:ffff:ffff:ffff:ffff"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("203.0.113.7", "203.0.113.7:50123"),
        ("2001:db8:1:2::1", "[2001:db8:1:2::7]:443"),
        ("unknown", "2001:db8:::1"),
        ("", "203.0.113.7.8"),
    ],
)
def test_addresses_of_one_caller_count_as_one(one: str, other: str) -> None:
    assert network(one) == network(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("203.0.113.7", "203.0.113.8"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.8"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("2001:db8::1", "unknown"),
    ],
)
def test_addresses_of_two_callers_count_as_two(one: str, other: str) -> None:
    assert network(one) != network(other)
