"""Who is at a page, where they come from, and for how long they are."""

import pytest

from portal.settings import PortalSettings
from tests.unit.portal.world import PROXY, World

CHALLENGE = "/v1/guest/challenge"


@pytest.mark.parametrize(
    ("address", "forwarded", "told"),
    [
        ("203.0.113.5", None, "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "192.0.2.99, 198.51.100.1", "198.51.100.1"),
        (PROXY, "192.0.2.99, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        (PROXY, "2001:db8::1", "2001:db8::1"),
        (PROXY, None, PROXY),
    ],
)
async def test_a_guest_is_counted_by_the_address_that_a_trusted_proxy_tells_and_by_no_other(
    world: World, address: str, forwarded: str | None, told: str
) -> None:
    world.services.answer("GET", CHALLENGE, {})
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    async with world.visitor(address=address) as browser:
        await browser.get("/pay-my-bill/challenge", headers=headers)
    (asked,) = world.services.calls("GET", CHALLENGE)
    assert asked.headers["x-forwarded-for"] == told


@pytest.mark.parametrize("value", ["everybody", "*", "10.0.0.0/33", "10.0.0.7,", "10.0.0.7 10.0.0.8"])
def test_only_addresses_and_networks_are_trusted(world: World, value: str) -> None:
    settings = world.app.state.settings.model_dump() | {"trusted_proxies": value}
    with pytest.raises(ValueError, match="trusted_proxies"):
        PortalSettings.model_validate(settings)
