"""Stories of paying: a double click, a processor that never answers, a debit that comes back, what is refused."""

import uuid
from datetime import timedelta

from local.demo.story import Story, money
from local.demo.visitor import Visitor
from local.demo.wire import Json
from local.demo.world import Household, World

_DAY = timedelta(days=1)
_THANKS = "Paid. Thank you!"


async def card_and_double_click(world: World, story: Story) -> None:
    """Charges are posted, the guarantor pays a part of them by card and clicks twice."""
    story.begins(
        "The hospital posts charges; the guarantor pays by card and clicks twice: one payment, one charge"
    )
    told, home = world.told, world.household()
    topics = ", ".join(f"{count} on {name}" for name, count in sorted(told["topics"].items()))
    story.step("the hosts publish", topics)
    heard = await world.wire.event(
        "payments.balance-changed.v1", account_number=home.number, balance_minor=home.owed
    )
    version = heard["data"]["version"]
    story.step("payments says", f"balance-changed, {money(home.owed)}, version {version}")
    amount = home.owed // 2
    async with world.logged_in(home.username) as guarantor:
        await _reviews(guarantor, home, amount, "tok_ok")
        page = await guarantor.press("Pay", twice=True)
        story.step("the button Pay, clicked twice, leads to", page.path)
        command = await submitted(world, home)
        accepted = await world.wire.outcome(command)
        story.step("one outcome names the command", _said(accepted), proves=accepted["outcome"] == "done")
        await guarantor.until_it_says(_THANKS)
        story.step("a moment later the page says", _THANKS)
        repeated = await world.wire.ask(*(command[name] for name in ("type", "subject", "actor", "data")))
        again = (await world.wire.outcome(repeated))["data"].get("payment_id")
        same = again == command["data"]["payment_id"]
        story.step("the same once more, in a new command", "the same payment", proves=same)
        await _shows(world, story, guarantor, home, home.owed - amount)
    clicks = world.wire.asked(command["type"], account_number=home.number)
    outcomes = [len(world.wire.outcomes(one)) for one in clicks if await world.wire.outcome(one)]
    told_of = f"{len(clicks)} commands, {sum(outcomes)} outcomes"
    story.step("on Kafka, in all", told_of, proves=outcomes == [1] * len(clicks))
    await _charged_once(world, story, home, amount)


async def never_answered(world: World, story: Story) -> None:
    """The processor charges and never answers: nobody can know, until it is asked by the key."""
    story.begins("The processor charges the card and never answers: nobody guesses, and nobody pays twice")
    home = world.household()
    async with world.logged_in(home.username) as guarantor:
        command = await _pays(world, guarantor, home, home.owed, "tok_timeout_done")
    payment_id = command["data"]["payment_id"]
    await world.wire.event("payments.payment-unknown.v1", payment_id=payment_id)
    story.step("ten seconds later nobody can know, and payments says so", "payment-unknown")
    refused = await world.wire.outcome(await pay(world, home, home.owed, "tok_ok"))
    reason = refused["data"].get("reason")
    story.step("paying again meanwhile is refused", reason, proves=reason == "payment_in_progress")
    await world.later(timedelta(seconds=15))
    await succeeded(world, command)
    story.step("15 s later it asks by key, and finds the charge", "payment-succeeded")
    await _charged_once(world, story, home, home.owed)


async def debit_returned(world: World, story: Story) -> None:
    """A bank debit succeeds, and comes back days later: the visit is owed again."""
    story.begins("A bank debit succeeds, and the bank returns it days later: the visit is owed again")
    home = world.household()
    async with world.logged_in(home.username) as guarantor:
        command = await _pays(world, guarantor, home, home.owed, "tok_bank_return_R01")
        await guarantor.until_it_says(_THANKS)
        await succeeded(world, command)
        story.step("the debit succeeds, provisionally", "payment-succeeded")
        await _shows(world, story, guarantor, home, 0)
        await world.later(5 * _DAY)
        payment_id = command["data"]["payment_id"]
        returned = await world.wire.event("payments.payment-returned.v1", payment_id=payment_id)
        came = f"payment-returned ({returned['data']['reason']})"
        story.step("five days later the bank has returned it", came, proves=returned["data"]["reason"] == "R01")
        await _shows(world, story, guarantor, home, home.owed)
    charges = [charge["status"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", ", ".join(charges), proves=charges == ["returned"])


async def refusals(world: World, story: Story) -> None:
    """What is refused, each with its reason."""
    story.begins("What is refused: each time with the reason")
    home = world.household()
    for what, amount, token, reason, actor in (
        ("more than is owed", home.owed + 1, "tok_ok", "amount_exceeds_balance", None),
        ("nothing", 0, "tok_ok", "amount_not_positive", None),
        ("somebody else's bill", home.owed, "tok_ok", "not_found", "patient:somebody-else"),
        ("a card number where a token belongs", home.owed, "4242 4242 4242 4242", "card_number_refused", None),
    ):
        refused = await world.wire.outcome(await pay(world, home, amount, token, actor))
        came = refused["data"].get("reason", refused["type"])
        story.step(what, came, proves=came == reason)
    declined = await pay(world, home, home.owed, "tok_declined")
    failed = await world.wire.event("payments.payment-failed.v1", payment_id=declined["data"]["payment_id"])
    story.step("the bank says no: accepted, then", f"payment-failed ({failed['data']['reason']})")


async def submitted(world: World, home: Household) -> Json:
    """Wait for the command by which somebody pays an account for the first time."""
    return await world.wire.command("payments.submit-payment.v1", account_number=home.number)


async def pay(world: World, home: Household, amount_minor: int, token: str, actor: str | None = None) -> Json:
    """Submit a payment as a gateway without pages and checks of its own; return the message."""
    data = {
        "payment_id": f"pay-{uuid.uuid4()}",  # noqa: TID251  # a gateway invents the ids of its commands
        "account_number": home.number,
        "amount_minor": amount_minor,
        "currency": home.account["currency"],
        "method": {"kind": "card", "token": token, "last4": "4242", "brand": "visa"},
    }
    return await world.wire.ask(
        "payments.submit-payment.v1", home.number, actor or f"patient:{home.person_id}", data
    )


async def succeeded(world: World, command: Json) -> Json:
    """Wait until a payment has succeeded."""
    return await world.wire.event("payments.payment-succeeded.v1", payment_id=command["data"]["payment_id"])


def _said(event: Json) -> str:
    return f"{event['type'].split('.')[1]} ({event['outcome']})"


async def _reviews(guarantor: Visitor, home: Household, amount_minor: int, token: str) -> None:
    """Go through the first step of Pay Now."""
    await guarantor.open(f"/pay/{home.number}")
    await guarantor.fill(amount_choice="other", amount=f"{amount_minor / 100:.2f}")
    await guarantor.pay_with(token)
    await guarantor.press("Continue")


async def _pays(world: World, guarantor: Visitor, home: Household, amount_minor: int, token: str) -> Json:
    """Pay at the portal; return the command that it published."""
    await _reviews(guarantor, home, amount_minor, token)
    await guarantor.press("Pay")
    return await submitted(world, home)


async def _shows(world: World, story: Story, guarantor: Visitor, home: Household, owed: int) -> None:
    await world.wire.event("payments.balance-changed.v1", account_number=home.number, balance_minor=owed)
    page = await guarantor.open(f"/billing/{home.number}")
    says = f"You owe ${owed / 100:,.2f}"
    story.step(f"{page.path} says", says, proves=says in page.text)


async def _charged_once(world: World, story: Story, home: Household, amount: int) -> None:
    charges = [charge["amount_minor"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", f"{len(charges)} charge of {money(amount)}", proves=charges == [amount])
