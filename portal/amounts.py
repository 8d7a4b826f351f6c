"""Money as people type it, and numbers that pages carry along."""

from decimal import Decimal
from typing import Final

from babel import Locale
from babel.numbers import NumberFormatError, get_currency_precision, parse_decimal

from portal.language import _, currency_sign

_LONG: Final = 18
"""More digits are no version or number of ours, and Python reads no more than some thousands."""


class AmountError(ValueError):
    """What was typed is no amount; the message says so in the language of the request."""


def digits(currency: str) -> int:
    """Return how many digits of an amount are parts of the currency's unit: of dollars 2, of yen none."""
    precision: int = get_currency_precision(currency)
    return precision


def typed_amount(text: str, currency: str) -> int:
    """Return an amount in minor units from what a person typed: `1,234.50`, `$20` where it is dollars, `20`.

    Raises:
        AmountError: it is none, or has parts of a minor unit.
    """
    number = text.strip().removeprefix(currency_sign(currency)).strip()
    try:
        amount: Decimal = parse_decimal(number, locale=Locale("en", "US"), strict=True)
    except NumberFormatError as error:
        raise AmountError(_("Please type an amount, such as 50.00.")) from error
    minor = amount.scaleb(digits(currency))
    if "e" in text.lower() or not amount.is_finite() or minor != minor.to_integral_value():
        raise AmountError(_("Please type an amount, such as 50.00."))
    if minor <= 0:
        raise AmountError(_("The amount must be more than zero."))
    return int(minor)


def whole(text: str) -> int | None:
    """Return the number that a page of ours carried along; nothing if it is none."""
    return int(text) if len(text) <= _LONG and text.isdecimal() else None


def written_amount(amount_minor: int, currency: str) -> str:
    """Return an amount as it stands in a field: `1234.50`."""
    parts = digits(currency)
    return f"{Decimal(amount_minor).scaleb(-parts):.{parts}f}"
