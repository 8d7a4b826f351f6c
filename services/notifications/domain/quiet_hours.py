"""When a message may be sent: a text not between 21:00 and 08:00 where its reader is.

Where that is may not be known; then a text waits for an hour that is quiet in none of the candidates: the zones
that hosts have told or, for want of any that there is, those that the number may be in.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from services.notifications.domain.address import zones_of_number
from shared.events.notifications import Channel
from shared.zones import zone_named

BEGIN: Final = time_of_day(21)
END: Final = time_of_day(8)

_AT_HOME: Final = tuple(
    ZoneInfo(f"America/{city}") for city in ("New_York", "Chicago", "Denver", "Phoenix", "Los_Angeles")
)
"""For whom nothing is known, or candidates so far apart that no hour suits all. Without a zone database the
process does not start."""

_LOOKS_MAX: Final = 50


def zones(names: Sequence[str]) -> tuple[ZoneInfo, ...]:
    """Return the zones that there are by these names; hosts send other words too."""
    return tuple(zone for name in names if (zone := zone_named(name)) is not None)


def sendable_from(channel: Channel, now: datetime, names: Sequence[str], address: str) -> datetime:
    """Return the first moment, from `now` on, when a message may go to somebody who is in the named zones.

    An email waits to be read, a text wakes people up.
    """
    match channel:
        case "email":
            return now
        case "text":
            candidates = zones(names) or zones(zones_of_number(address))
            return _awake_in_all(now, candidates) or _awake_in_all(now, _AT_HOME) or now
        case _:
            assert_never(channel)


def _awake_in_all(now: datetime, candidates: Sequence[ZoneInfo]) -> datetime | None:
    """Return the first moment that is quiet nowhere; nothing without candidates, or when there is none."""
    moment = now
    for _ in range(_LOOKS_MAX if candidates else 0):
        later = max(_awake(moment, zone) for zone in candidates)
        if later == moment:
            return moment
        moment = later
    return None


def _awake(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment if people in the zone are awake, else when they next are."""
    local = moment.astimezone(zone)
    if END <= local.time() < BEGIN:
        return moment
    day = local.date() + timedelta(days=1) if local.time() >= BEGIN else local.date()
    return datetime.combine(day, END, zone).astimezone(moment.tzinfo)
