"""How the stories are told: a line for each step with what came of it, and in the end whether all went well."""


class Disappointment(Exception):  # noqa: N818  # it is told to a person, as what it is
    """Something in a story is not as it should be, in one sentence."""


class Story:
    """Prints what happens, and remembers what was not as it should be."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def begins(self, title: str) -> None:
        """Print a title."""
        print(f"\n{title}", flush=True)

    def step(self, what: str, came: object, *, proves: bool = True) -> None:
        """Print a step and what came of it; it is a fault unless it `proves` what it should."""
        print(f"  {'✓' if proves else '✗'} {what:<62} {came}", flush=True)
        if not proves:
            self.faults.append(what)


def money(amount_minor: int) -> str:
    """Return an amount as people read it."""
    return f"{amount_minor / 100:,.2f} USD"
