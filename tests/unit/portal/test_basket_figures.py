"""The supervisor's figures, and the charts that show them."""

from portal.basket.charts import WIDTH, chart
from tests.unit.portal.world import World


def test_a_charts_longest_row_fills_it_and_its_parts_lie_one_after_the_other() -> None:
    drawn = chart([("a", "4", [("late", 1), ("bar", 3)]), ("b", "2", [("late", 0), ("bar", 2)])])
    (late, bar), (alone,) = (row.parts for row in drawn.rows)
    assert (late.x, late.width, bar.x, bar.width) == (0, WIDTH / 4, WIDTH / 4, WIDTH * 3 / 4)
    assert (alone.kind, alone.x, alone.width) == ("bar", 0, WIDTH / 2)
    assert chart([("nothing", "0", [("bar", 0)])]).rows[0].parts == ()


async def test_figures_are_for_supervisors(world: World) -> None:
    told = {"pool": "billing", "name": "Billing", "open": 5, "late": 2, "first_reply_p50_s": 600}
    held = [{"holder": "staff:bob", "items": 3}]
    world.services.answer("GET", "/v1/figures", [told | {"first_reply_p90_s": 7_200, "held": held, "arrived": 9}])
    async with world.staff("sue", "supervisor") as supervisor, world.staff() as clerk:
        page = (await supervisor.get("/basket/figures")).text
        refused = await clerk.get("/basket/figures")
    assert "5, 2 late" in page
    assert "10m · 2h" in page
    assert "bob" in page
    assert " style=" not in page
    assert refused.status_code == 404
