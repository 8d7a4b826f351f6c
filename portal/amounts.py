"""Money as people type it."""

import re
from decimal import Decimal

from babel import Locale
from babel.numbers import NumberFormatError, get_currency_precision, parse_decimal

from portal.language import _

_TYPED = re.compile(r"^\s*\$?\s*(.*?)\s*$", re.DOTALL)


class AmountError(ValueError):
    """What was typed is no amount; the message says so in the language of the request."""


def typed_amount(text: str, currency: str) -> int:
    """Return an amount in minor units from what a person typed: `1,234.50`, `$20`, `20`.

    Raises:
        AmountError: it is none, or has parts of a minor unit.
    """
    try:
        amount: Decimal = parse_decimal(_TYPED.sub(r"\1", text), locale=Locale("en", "US"), strict=True)
    except NumberFormatError as error:
        raise AmountError(_("Please type an amount, such as 50.00.")) from error
    minor = amount.scaleb(get_currency_precision(currency))
    if "e" in text.lower() or not amount.is_finite() or minor != minor.to_integral_value():
        raise AmountError(_("Please type an amount, such as 50.00."))
    if minor <= 0:
        raise AmountError(_("The amount must be more than zero."))
    return int(minor)


def written_amount(amount_minor: int, currency: str) -> str:
    """Return an amount as it stands in a field: `1234.50`."""
    digits = get_currency_precision(currency)
    return f"{Decimal(amount_minor).scaleb(-digits):.{digits}f}"
