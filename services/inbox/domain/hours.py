"""When a time limit ends: business time, which stands still at night, at weekends and on holidays."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import holidays
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from shared.zones import zone_named

_DAYS_MAX: Final = 400


def _zone(name: str) -> str:
    if zone_named(name) is None:
        raise ValueError("no such time zone")
    return name


# In JSON Schema a `time` has a zone; one that stands here does not count.
_TimeOfDay = Annotated[time, WithJsonSchema({"type": "string", "examples": ["08:00:00"]})]


class Hours(BaseModel):
    """The business hours that time limits run in, of local days (0 is Monday), without public holidays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Annotated[str, AfterValidator(_zone)] = "America/New_York"
    opens: _TimeOfDay = time(8)
    closes: _TimeOfDay = time(17)
    weekdays: Annotated[tuple[Annotated[int, Field(ge=0, le=6)], ...], Field(min_length=1)] = (0, 1, 2, 3, 4)
    holidays: Literal["US", "none"] = "US"

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> "Hours":
        if self.opens.replace(tzinfo=None) >= self.closes.replace(tzinfo=None):
            raise ValueError("closes before it opens")
        return self


def due(start: datetime, minutes: int, hours: Hours) -> datetime:
    """Return when so many minutes of business time will have passed since `start`."""
    left = timedelta(minutes=minutes)
    last = start + timedelta(days=_DAYS_MAX)
    for opens, closes in _days(start, last, hours):
        begins = max(opens, start)
        if closes - begins >= left:
            return begins + left
        left -= max(closes - begins, timedelta())
    return last


def passed(start: datetime, end: datetime, hours: Hours) -> timedelta:
    """Return how much business time there is between two moments; at most that of `_DAYS_MAX` days."""
    return sum(
        (max(min(closes, end) - max(opens, start), timedelta()) for opens, closes in _days(start, end, hours)),
        timedelta(),
    )


def _days(start: datetime, end: datetime, hours: Hours) -> Iterator[tuple[datetime, datetime]]:
    """Give when each business day between two moments opens and closes."""
    zone = ZoneInfo(hours.time_zone)
    first, last = (moment.astimezone(zone).date() for moment in (start, end))
    for ahead in range(min((last - first).days, _DAYS_MAX) + 1):
        day = first + timedelta(days=ahead)
        if day.weekday() in hours.weekdays and not (hours.holidays == "US" and day in _holidays(day.year)):
            # In UTC, where an hour is an hour also on the day that the clocks change.
            yield (
                datetime.combine(day, hours.opens, zone).astimezone(UTC),
                datetime.combine(day, hours.closes, zone).astimezone(UTC),
            )


@lru_cache(maxsize=16)
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("US", years=year))
