"""In which order coverages should pay, and why: a suggestion for staff, who set the order themselves.

What a court has decreed about a child, and Medicare's own rules, are not known here: they are for staff alone.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final, Literal, NamedTuple

from services.insurance.domain.patient import Coverage

Because = Literal["own_plan", "as_dependent", "birthday_rule", "longer_in_force", "as_on_file", "not_in_force"]
"""Why a coverage has its place.

`own_plan`: the patient holds it, so it pays before all that others hold. `as_dependent`: somebody else holds it.
`birthday_rule`: of a child's plans, that of the parent whose birthday (month and day) comes first in the year.
`longer_in_force`: else alike, the plan that began first. `as_on_file`: no rule tells it from another, so they stay
as they are. `not_in_force`: the payer says that it is inactive.
"""

_NO_BIRTHDAY: Final = (0, 0)


class Suggestion(NamedTuple):
    """A coverage's place, from 1, and the rule that it took to tell it from the others."""

    priority: int
    because: Because


class _Rank(NamedTuple):
    """What decides, in this order."""

    not_in_force: bool
    as_dependent: bool
    birthday: tuple[int, int]
    since: date


def suggest(coverages: Iterable[Coverage]) -> dict[str, Suggestion]:
    """Return the place of each coverage, by its id.

    Args:
        coverages: of one patient, that were not removed, in the order in which they pay now.
    """
    them = list(coverages)
    relationships = {one.content.relationship for one in them} - {"self"}
    known_since = all(one.content.effective_from for one in them)
    ranks = {one.coverage_id: _rank(one, relationships == {"child"}, known_since) for one in them}
    return {
        coverage_id: Suggestion(place, _because(ranks[coverage_id], [*ranks.values()]))
        for place, coverage_id in enumerate(sorted(ranks, key=ranks.__getitem__), 1)
    }


def _rank(coverage: Coverage, by_birthday: bool, known_since: bool) -> _Rank:
    content = coverage.content
    as_dependent = content.relationship != "self"
    born = content.subscriber.birth_date
    return _Rank(
        not_in_force=coverage.status == "inactive",
        as_dependent=as_dependent,
        birthday=(born.month, born.day) if as_dependent and by_birthday else _NO_BIRTHDAY,
        since=content.effective_from if content.effective_from and known_since else date.max,
    )


def _because(rank: _Rank, ranks: list[_Rank]) -> Because:
    if rank.not_in_force:
        return "not_in_force"
    # Each list has the coverage itself.
    alike = [one for one in ranks if one[:2] == rank[:2]]
    if len(alike) == 1:
        return "as_dependent" if rank.as_dependent else "own_plan"
    alike = [one for one in alike if one.birthday == rank.birthday]
    if len(alike) == 1:
        return "birthday_rule"
    return "longer_in_force" if alike.count(rank) == 1 else "as_on_file"
