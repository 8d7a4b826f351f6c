"""Stories of paying: a double click, a processor that never answers, a debit that comes back, what is refused."""

import uuid
from datetime import timedelta

from local.demo.pages import Browser, Form, Page
from local.demo.story import Story, money
from local.demo.wire import Json
from local.demo.world import Household, World

_DAY = timedelta(days=1)


async def card_and_double_click(world: World, story: Story) -> None:
    """Charges are posted, the guarantor pays a visit by card and clicks twice."""
    story.begins("The hospital posts charges; the guarantor pays by card, and clicks twice")
    told, home = world.told, world.household()
    topics = ", ".join(f"{count} on {name}" for name, count in sorted(told["topics"].items()))
    story.step("the hosts publish", topics)
    heard = await world.wire.event(
        "payments.balance-changed.v1", account_number=home.number, balance_minor=home.owed
    )
    version = heard["data"]["version"]
    story.step("payments says", f"balance-changed, {money(home.owed)}, version {version}")
    amount = home.owed // 2
    async with world.logged_in(home.username) as own:
        reviewed = await review(own, home, amount, "tok_ok")
        story.step("Pay Now at the portal: how it is spread over the visits", reviewed.path)
        form = reviewed.form("payment_id", "review_token")
        await own.submit(form)
        first = await submitted(world, form)
        accepted = await world.wire.outcome(first)
        story.step(
            "the first click: one outcome names the command", _said(accepted), proves=accepted["outcome"] == "done"
        )
        page = await own.submit(form)
        second = await submitted(world, form, but=first)
        again = await world.wire.outcome(second)
        same = again["outcome"] == "done" and again["data"]["payment_id"] == first["data"]["payment_id"]
        story.step("the second click: a new command, and the same payment", page.path, proves=same)
    await succeeded(world, first)
    await _shows(world, story, home, home.owed - amount)
    await _charged_once(world, story, home, amount)
    outcomes = len(world.wire.outcomes(first))
    story.step("outcomes of the first command", outcomes, proves=outcomes == 1)


async def never_answered(world: World, story: Story) -> None:
    """The processor charges, never answers and sends no webhook: nobody can know, until it is asked by the key."""
    story.begins("The processor charges the card and never answers")
    home = world.household()
    await world.sandbox("POST", "/processor/behaviour", {"webhooks": "off"})
    async with world.logged_in(home.username) as own:
        command = await pay_at_portal(world, own, home, home.owed, "tok_timeout_done")
    payment_id = command["data"]["payment_id"]
    await world.wire.event("payments.payment-unknown.v1", payment_id=payment_id)
    story.step("ten seconds later nobody can know, and payments says so", "payment-unknown")
    refused = await world.wire.outcome(await pay(world, home, home.owed, "tok_ok"))
    reason = refused["data"].get("reason")
    story.step("paying again meanwhile is refused", reason, proves=reason == "payment_in_progress")
    await world.later(timedelta(seconds=15))
    await succeeded(world, command)
    await world.sandbox("POST", "/processor/behaviour", {"webhooks": "on"})
    story.step("15 s later it asks by key, and finds the charge", "payment-succeeded")
    await _charged_once(world, story, home, home.owed)


async def debit_returned(world: World, story: Story) -> None:
    """A bank debit succeeds, and comes back days later: the visit is owed again."""
    story.begins("A bank debit succeeds, and the bank returns it days later")
    home = world.household()
    async with world.logged_in(home.username) as own:
        command = await pay_at_portal(world, own, home, home.owed, "tok_bank_return_R01")
    await succeeded(world, command)
    story.step("the debit succeeds, provisionally", "payment-succeeded")
    await _shows(world, story, home, 0)
    await world.later(5 * _DAY)
    payment_id = command["data"]["payment_id"]
    returned = await world.wire.event("payments.payment-returned.v1", payment_id=payment_id)
    reason = returned["data"]["reason"]
    story.step("five days later the bank has returned it", f"payment-returned ({reason})", proves=reason == "R01")
    await _shows(world, story, home, home.owed)
    charges = [charge["status"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", ", ".join(charges), proves=charges == ["returned"])


async def refusals(world: World, story: Story) -> None:
    """What is refused, each with its reason."""
    story.begins("What is refused, each with its reason")
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


async def review(own: Browser, home: Household, amount_minor: int, token: str) -> Page:
    """Fill in the first step of Pay Now as a person and the processor's form do; return the second."""
    page = await own.open(f"/pay/{home.number}")
    wish = {"amount_choice": "other", "amount": f"{amount_minor / 100:.2f}"}
    return await own.submit(page.form("amount_choice", "token"), wish | typed(token))


def typed(token: str) -> dict[str, str]:
    """Return what the processor's form fills in for a token."""
    if "bank" in token:
        return {"method": "bank_account", "token": token, "last4": "6789"}
    return {"method": "card", "token": token, "last4": "4242", "brand": "visa"}


async def pay_at_portal(world: World, own: Browser, home: Household, amount_minor: int, token: str) -> Json:
    """Pay at the portal; return the command that it published."""
    form = (await review(own, home, amount_minor, token)).form("payment_id", "review_token")
    await own.submit(form)
    return await submitted(world, form)


async def submitted(world: World, form: Form, but: Json | None = None) -> Json:
    """Wait for the command of a form that was sent; `but` is one that came before."""
    payment_id = dict(form.fields)["payment_id"]
    return await world.wire.command("payments.submit-payment.v1", but=but, payment_id=payment_id)


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


async def _shows(world: World, story: Story, home: Household, owed: int) -> None:
    await world.wire.event("payments.balance-changed.v1", account_number=home.number, balance_minor=owed)
    shown = await world.balance(home)
    story.step("the billing summary now shows", money(shown), proves=shown == owed)


async def _charged_once(world: World, story: Story, home: Household, amount: int) -> None:
    charges = [charge["amount_minor"] for charge in await world.charges(home.number)]
    story.step("the processor's truth", f"{len(charges)} charge of {money(amount)}", proves=charges == [amount])
