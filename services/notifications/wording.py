"""What people read: templates of mails, texts and pages by language, and the texts that they consent to.

Templates are checked when the process starts: one that uses anything but the few harmless values below would tell
of health or money, and stops the start. A value that is missing stops the message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined, select_autoescape
from jinja2.meta import find_undeclared_variables

Language = Literal["en", "es"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "es")

ALLOWED: Final = frozenset({"code", "language", "minutes", "sign_in_url", "unsubscribe_url"})
"""All that a message may say; there is no name, no amount, no account and no department among it."""

MAILS: Final = ("alert", "code")
TEXTS: Final = ("alert", "code", "help", "start", "stop")
PAGES: Final = ("unsubscribe", "unsubscribed")
_NEEDED: Final = (
    *(f"{name}.{part}.j2" for name in MAILS for part in ("subject", "txt", "html")),
    *(f"{name}.text.j2" for name in TEXTS),
    *(f"{name}.html.j2" for name in PAGES),
)

_CURRENT_TEXTS: Final[Mapping[Language, str]] = {"en": "2026-01-en", "es": "2026-01-es"}
"""The version of the text to consent to, by language. Each version's file stays, for those who consented to it."""


class TemplateError(ValueError):
    """A template is missing, or uses what no message may say."""


def language_of(told: str | None) -> Language:
    """Return the language that we have for what a host or a browser calls one, such as `es-MX`."""
    return "es" if (told or "").strip().lower().startswith(("es", "spa")) else "en"


class Wording:
    """The templates, all of them checked.

    Raises:
        TemplateError: one is missing, or uses a forbidden value.
    """

    def __init__(self, loader: BaseLoader | None = None) -> None:
        self._templates = Environment(
            loader=loader or PackageLoader("services.notifications"),
            undefined=StrictUndefined,
            auto_reload=False,
            autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        )
        there = self._templates.list_templates()
        for language in LANGUAGES:
            if missing := {f"{language}/{name}" for name in _NEEDED} - set(there):
                raise TemplateError(f"missing: {', '.join(sorted(missing))}")
        for name in there:
            self._check(name)

    def _check(self, name: str) -> None:
        loader = self._templates.loader
        assert loader is not None  # noqa: S101  # given above
        source, _, _ = loader.get_source(self._templates, name)
        if forbidden := find_undeclared_variables(self._templates.parse(source)) - ALLOWED:
            raise TemplateError(f"{name} uses {', '.join(sorted(forbidden))}")

    def _render(self, language: Language, name: str, values: Mapping[str, str]) -> str:
        return self._templates.get_template(f"{language}/{name}.j2").render(language=language, **values).strip()

    def text(self, language: Language, name: str, **values: str) -> str:
        """Return a text message.

        Raises:
            jinja2.UndefinedError: a value is missing.
        """
        return self._render(language, f"{name}.text", values)

    def mail(self, language: Language, name: str, **values: str) -> MIMEMultipart:
        """Return an email in text and HTML; whom it is from and to is the sender's to say.

        Raises:
            jinja2.UndefinedError: a value is missing.
        """
        # The older classes of `email` cost less than half the newer ones; mails are as many as statements.
        message = MIMEMultipart("alternative")
        message["Subject"] = Header(self._render(language, f"{name}.subject", values)).encode()
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = language
        if unsubscribe_url := values.get("unsubscribe_url"):
            message["List-Unsubscribe"] = f"<{unsubscribe_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        for part, kind in (("txt", "plain"), ("html", "html")):
            message.attach(MIMEText(self._render(language, f"{name}.{part}", values) + "\n", kind, "utf-8"))
        return message

    def page(self, language: Language, name: str) -> str:
        """Return a page in HTML."""
        return self._render(language, f"{name}.html", {})


@cache
def wording() -> Wording:
    """Return the templates of this process; it does not start without them."""
    return Wording()


@dataclass(frozen=True, slots=True)
class ConsentText:
    """A text that people consent to; its hash proves which words it had."""

    version: str
    language: Language
    text: str

    @property
    def sha256(self) -> str:
        """The SHA-256 of the text in UTF-8, in hexadecimal."""
        return sha256(self.text.encode()).hexdigest()


def _consent_texts() -> dict[str, ConsentText]:
    found = {}
    for file in (files("services.notifications") / "consent_texts").iterdir():
        version = file.name.removesuffix(".txt")
        found[version] = ConsentText(version, language_of(version.rpartition("-")[2]), file.read_text("utf-8"))
    return found


CONSENT_TEXTS: Final[Mapping[str, ConsentText]] = _consent_texts()
"""All texts, by version."""


def current_text(language: str | None) -> ConsentText:
    """Return the text that may be consented to now, in the language nearest to the one asked for."""
    return CONSENT_TEXTS[_CURRENT_TEXTS[language_of(language)]]


def current_hashes() -> dict[str, str]:
    """Return the hashes of the texts that may be consented to now, by version."""
    return {version: CONSENT_TEXTS[version].sha256 for version in _CURRENT_TEXTS.values()}
