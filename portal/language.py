"""The languages of the pages: whose words are used now, and money, dates and times as people say them.

English is in the code and the templates; `locale/LANGUAGE/*.po` has each sentence in another language, a file
for each part of the portal, read when the portal starts.
"""

import io
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from decimal import Decimal
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final

from babel import Locale, dates, negotiate_locale, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = {"en": "English", "es": "Español"}
# How money and dates are written where the hospital is.
_LOCALES: Final = {"en": Locale("en", "US"), "es": Locale("es", "US")}

_language: ContextVar[str] = ContextVar("language", default="en")


def catalogue(language: str) -> Catalog:
    """Return all that is translated into a language."""
    whole = Catalog(locale=language)
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id and message.string:
                    whole[message.id] = message
    return whole


def _translations(language: str) -> NullTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue(language))
    compiled.seek(0)
    return GNUTranslations(compiled)


_TRANSLATIONS: Final[dict[str, NullTranslations]] = {
    language: NullTranslations() if language == "en" else _translations(language) for language in LANGUAGES
}


def speak(language: str) -> None:
    """Use a language for the request at hand."""
    _language.set(language)


def spoken() -> str:
    """Return the language of the request at hand."""
    return _language.get()


def choose(wished: str | None, accepted: str) -> str:
    """Return the language of a browser: what its person chose, or else the best of `Accept-Language`."""
    if wished in LANGUAGES:
        return wished
    preferred = [part.split(";")[0].strip().replace("-", "_") for part in accepted.split(",")]
    return negotiate_locale(preferred + [one.split("_")[0] for one in preferred], list(LANGUAGES)) or "en"


def gettext(message: str) -> str:
    """Return a sentence in the language of the request."""
    return _TRANSLATIONS[spoken()].gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Return the sentence for one or for many in the language of the request."""
    return _TRANSLATIONS[spoken()].ngettext(singular, plural, count)


_ = gettext


def N_(message: str) -> str:  # noqa: N802  # the name that every extractor of sentences knows
    """Mark a sentence that is translated where it is shown."""
    return message


def currency_sign(currency: str) -> str:
    """Return what stands before an amount of a currency: `$`."""
    sign: str = numbers.get_currency_symbol(currency, locale=_LOCALES[spoken()])
    return sign


def money(amount_minor: int, currency: str) -> str:
    """Return an amount of minor units as people write it: `$1,234.50`."""
    digits = numbers.get_currency_precision(currency)
    amount: str = numbers.format_currency(
        Decimal(amount_minor).scaleb(-digits), currency, locale=_LOCALES[spoken()]
    )
    return amount


def day(value: date | datetime | str) -> str:
    """Return a day as people say it: `May 4, 2026`."""
    return dates.format_date(_date(value), "medium", locale=_LOCALES[spoken()])


def moment(value: datetime | str, now: datetime) -> str:
    """Return a moment as people say it: `5 minutes ago` while it is near, then the day."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    away = at - now
    if abs(away) < timedelta(days=2):
        return dates.format_timedelta(away, add_direction=True, locale=_LOCALES[spoken()])
    return day(at)


def exact(value: datetime | str) -> str:
    """Return a moment to the minute, with its zone."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return dates.format_datetime(at, "long", tzinfo=at.tzinfo, locale=_LOCALES[spoken()])


def listing(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: `one, two, and three`."""
    from babel.lists import format_list  # noqa: PLC0415  # seldom used

    return format_list(list(words), locale=_LOCALES[spoken()])


def _date(value: date | datetime | str) -> date:
    if isinstance(value, str):
        return datetime.fromisoformat(value).date() if "T" in value else date.fromisoformat(value)
    return value.date() if isinstance(value, datetime) else value
