"""Whose paper it is when several persons see an account, on real infrastructure."""

from collections.abc import AsyncIterator

import pytest

from local.infrastructure import Endpoints
from tests.flow.notifications_world import Hospital, Person, hospital


@pytest.fixture(scope="module", name="world")
async def running(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hospital]:
    async with hospital(infrastructure, tmp_path_factory.mktemp("sandbox")) as made:
        yield made


async def test_who_is_on_the_account_no_longer_is_enrolled_no_longer_and_comes_back_without_consent(
    world: Hospital,
) -> None:
    guarantor, viewer = Person(), Person()
    account = await world.open_account(guarantor, viewer)
    await world.enrol(viewer, "email", account=account)

    await world.open_account(guarantor)

    assert (await world.said("paperless-ended", viewer))["data"]["reason"] == "no_longer_on_account"
    await world.statement(account, "S-1", guarantor)
    await world.said("paper-statement-due", viewer, reason="no_longer_on_account", statement_id="S-1")
    await world.open_account(guarantor, viewer)
    await world.statement(account, "S-2", guarantor, viewer)
    await world.said("paper-statement-due", viewer, statement_id="S-2")
    enrolled = await world.enrol_with(viewer, {"email": f"{viewer.person_id}-email"}, account)
    assert enrolled["outcome"] == "done"
    await world.statement(account, "S-3", guarantor, viewer)
    assert (await world.said("alert-delivered", viewer))["data"]["statement_id"] == "S-3"
    assert world.told("paper-statement-due", guarantor) == []


async def test_a_new_guarantor_who_never_consented_gets_paper_though_the_former_one_is_now_a_viewer(
    world: Hospital,
) -> None:
    former, new = Person(), Person()
    account = await world.open_account(former, new)
    await world.enrol(former, "email", account=account)

    await world.open_account(new, former, account=account)

    assert (await world.said("paperless-ended", former))["data"]["reason"] == "no_longer_guarantor"
    await world.statement(account, "S-1", new, former)
    assert (await world.said("paper-statement-due", former))["data"]["reason"] == "no_longer_guarantor"


async def test_the_guarantor_who_withdrew_gets_paper_though_a_viewer_is_alerted(world: Hospital) -> None:
    guarantor, viewer = Person(), Person()
    account = await world.open_account(guarantor, viewer)
    for one in (guarantor, viewer):
        await world.enrol(one, "email", account=account)
    await world.command(guarantor, "end-paperless", account_number=account)

    await world.statement(account, "S-1", guarantor, viewer)

    await world.said("alert-delivered", viewer)
    assert (await world.said("paper-statement-due", guarantor))["data"]["reason"] == "withdrawn"
    assert world.told("alert-sent", guarantor) == []


async def test_a_viewers_mailbox_that_bounces_brings_no_paper_to_a_guarantor_who_is_alerted(
    world: Hospital,
) -> None:
    guarantor, viewer = Person(), Person()
    account = await world.open_account(guarantor, viewer)
    for one in (guarantor, viewer):
        await world.enrol(one, "email", account=account)
    await world.behave("mail", viewer.email, "bounce")

    await world.statement(account, "S-1", guarantor, viewer)
    await world.said("contact-refused", viewer)
    await world.statement(account, "S-2", guarantor, viewer)

    await world.said("alert-delivered", guarantor, statement_id="S-2")
    for one in (guarantor, viewer):
        assert world.told("paper-statement-due", one) == []
