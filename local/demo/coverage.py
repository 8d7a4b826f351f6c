"""Stories of insurance: added at the portal and verified after the log-out; and a payer that is down."""

from datetime import timedelta

from local.demo.story import Story
from local.demo.wire import Json
from local.demo.world import Household, World


async def added_and_verified(world: World, story: Story) -> None:
    """A patient adds a coverage and logs out; then it is verified, once."""
    story.begins("A patient adds insurance at the portal, and logs out: then it is verified, once")
    home = world.household()
    command = await _add(world, story, home, _member("ACTIVE", home))
    coverage_id = command["data"]["coverage_id"]
    again = await _repeat(world, command, coverage_id=f"{coverage_id}-again")
    story.step("the same insurance again is refused", again, proves=again == "duplicate_coverage")
    submitted = await world.wire.event("insurance.verification-submitted.v1", coverage_id=coverage_id)
    story.step("the log-out submits it", submitted["type"].split(".")[1])
    verified = await world.wire.event("insurance.coverage-verified.v1", coverage_id=coverage_id)
    benefits = len(verified["data"]["benefits"])
    story.step("the payer answers", f"{verified['data']['status']}, {benefits} benefits", proves=benefits > 0)
    member_id = command["data"]["member_id"]
    asked = await world.sandbox("GET", f"/clearinghouse/requests?member_id={member_id}")
    story.step("questions that the payer got", len(asked), proves=len(asked) == 1)
    async with world.logged_in(home.username) as visitor:
        page = await visitor.open(f"/insurance/{coverage_id}")
        shown = "Active" in page.text and member_id not in page.text
        story.step("the page shows it, with a masked member id", page.path, proves=shown)


async def payer_down(world: World, story: Story) -> None:
    """No answer is not "not covered": it stays undetermined, is asked again, and comes right."""
    story.begins("The payer is down: that is not “not covered”")
    home = world.household()
    command = await _add(world, story, home, _member("PAYERDOWN", home))
    coverage_id = command["data"]["coverage_id"]
    unsure = await world.wire.event("insurance.coverage-not-verified.v1", coverage_id=coverage_id)
    told = f"{unsure['data']['status']} ({unsure['data']['reason']})"
    story.step("no answer is not “not covered”", told, proves=unsure["data"]["status"] == "undetermined")
    await world.later(timedelta(minutes=2))
    verified = await world.wire.event("insurance.coverage-verified.v1", coverage_id=coverage_id)
    status = verified["data"]["status"]
    story.step("two minutes later it is asked again", f"coverage-verified: {status}", proves=status == "active")


def _member(word: str, home: Household) -> str:
    """Return a member id that is not on file yet, and begins with what the made-up payer does about it."""
    return f"{word}DEMO{home.username.replace('-', '').upper()}"


async def _add(world: World, story: Story, home: Household, member_id: str) -> Json:
    """Add a coverage of a patient's own at the portal, and log out; return the command."""
    patient = home.patients[0]
    async with world.logged_in(home.username) as visitor:
        page = await visitor.open(f"/insurance/add?patient={patient['patient_id']}")
        await visitor.fill(
            payer_name="Sandbox Health Plan",
            member_id=member_id,
            relationship="self",
            **{name: patient[name] for name in ("first_name", "last_name", "birth_date")},
        )
        await visitor.press("Add insurance")
        command = await world.wire.command("insurance.add-coverage.v1", member_id=member_id)
        outcome = await world.wire.outcome(command)
        came = outcome["type"].split(".")[1]
        story.step(f"the form at {page.path} is sent", came, proves=outcome["outcome"] == "done")
        await visitor.log_out()
    return command


async def _repeat(world: World, command: Json, **changes: str) -> str:
    """Send the command again under another natural key; return why it is refused."""
    data = command["data"] | changes
    sent = await world.wire.ask(command["type"], command["subject"], command["actor"], data)
    return str((await world.wire.outcome(sent))["data"].get("reason"))
