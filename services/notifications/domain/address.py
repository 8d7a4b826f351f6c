"""Email addresses and mobile numbers: what may be sent to, in one spelling, and what people may see of it."""

from functools import lru_cache
from typing import Final, assert_never

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import time_zones_for_number

from shared.events.notifications import Channel, RefusalReason

_HOME_REGION: Final = "US"
"""Where a number is that was typed without a country."""

_TEXTABLE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_SUBSCRIBER_DIGITS: Final = 4
_MASK: Final = "•" * 4


class AddressError(ValueError):
    """Nothing can be sent there; `reason` is why, and the message never holds the address."""

    def __init__(self, reason: RefusalReason) -> None:
        super().__init__(reason)
        self.reason: RefusalReason = reason


@lru_cache(maxsize=4096)
def normalise(channel: Channel, typed: str) -> str:
    """Return an address as it is kept: an email address as mail servers write it, or a number in E.164.

    Raises:
        AddressError: `address_invalid`, or `address_not_supported` for landlines, premium numbers and the like.
    """
    match channel:
        case "email":
            return _email(typed)
        case "text":
            return _number(typed)
        case _:
            assert_never(channel)


def _email(typed: str) -> str:
    try:
        # `strict` minds how long a local part may be. Whether an address can be delivered to is learnt by sending
        # the code, so nobody is asked here.
        found = validate_email(typed.strip(), check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError:
        raise AddressError("address_invalid") from None
    if found.ascii_email is None:  # only a domain has a spelling in ASCII, not what is before the @
        raise AddressError("address_invalid")
    return found.ascii_email


def _number(typed: str) -> str:
    try:
        number = phonenumbers.parse(typed, _HOME_REGION)
    except NumberParseException:
        raise AddressError("address_invalid") from None
    if not phonenumbers.is_valid_number(number):
        raise AddressError("address_invalid")
    if phonenumbers.number_type(number) not in _TEXTABLE:
        raise AddressError("address_not_supported")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def prefix(number: str) -> str:
    """Return what neighbouring numbers share, by which numbers that are made up in rows are noticed."""
    return number[:-_SUBSCRIBER_DIGITS]


def zones_of_number(number: str) -> tuple[str, ...]:
    """Return the names of the time zones that an E.164 number may be in."""
    return tuple(time_zones_for_number(phonenumbers.parse(number)))


def mask(channel: Channel, address: str) -> str:
    """Return as much of an address as lets its owner recognise it."""
    match channel:
        case "email":
            local, _, domain = address.rpartition("@")
            return f"{local[0]}{_MASK}@{domain}"
        case "text":
            return f"{_MASK} {address[-_SUBSCRIBER_DIGITS:]}"
        case _:
            assert_never(channel)
