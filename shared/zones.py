"""Time zones by the names that others tell, who may have misspelt them."""

from zoneinfo import ZoneInfo


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone of a name, if there is one."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # no such zone; a folder of zones; no name of a file
        return None
