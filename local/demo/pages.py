"""The portal's pages as they are read: what they say, what they say is wrong, and their forms.

A page is read without a style or a script, whoever opened it: a form that is not there, or a page that does not
say what it should, ends the story with one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from local.demo.story import Disappointment

_FAULTS = {"alert-danger", "alert-warning"}


@dataclass
class Button:
    """A button that sends its form, with what it adds to it."""

    name: str
    value: str
    label: str = ""


@dataclass
class Form:
    """A form as its page filled it in: fields by name, and what may be chosen or pressed beside them."""

    address: str
    is_multipart: bool
    fields: list[tuple[str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    buttons: list[Button] = field(default_factory=list)
    challenge: str | None = None

    def filled(self, typed: Mapping[str, str], button: Button) -> list[tuple[str, str]]:
        """Return what is sent when all is left as it is but what was typed, and the button is pressed."""
        kept = [(name, typed.get(name, value)) for name, value in self.fields]
        new = [(name, value) for name, value in typed.items() if name not in dict(self.fields)]
        return [*kept, *new, *([(button.name, button.value)] if button.name else [])]


@dataclass
class Page:
    """A page that came, with its text in one line, and the addresses of its pictures by what they show."""

    address: str
    status: int
    text: str
    faults: str
    forms: list[Form]
    pictures: dict[str, str]

    @property
    def path(self) -> str:
        """Where it is, without the query."""
        return urlsplit(self.address).path

    def form(self, *names: str) -> Form:
        """Return the form that has these fields.

        Raises:
            Disappointment: there is none.
        """
        for form in self.forms:
            if set(names) <= form.names:
                return form
        raise Disappointment(f"{self.path} has no form with {', '.join(names)}")

    def button(self, label: str, *names: str) -> tuple[Form, Button]:
        """Return the first button whose words begin so, with its form, which has these fields.

        Raises:
            Disappointment: there is none.
        """
        for form in self.forms:
            for button in form.buttons if set(names) <= form.names else ():
                if button.label.startswith(label):
                    return form, button
        raise Disappointment(f"{self.path} has no button “{label}”")


def read(address: str, status: int, html: str) -> Page:
    """Read a page."""
    reader = _Reader(address)
    reader.feed(html)
    reader.close()
    for form in reader.forms:
        for button in form.buttons:
            button.label = _line([button.label])
    return Page(address, status, _line(reader.texts), _line(reader.faults), reader.forms, reader.pictures)


def _line(texts: list[str]) -> str:
    return " ".join(" ".join(texts).split())


class _Reader(HTMLParser):
    """Collects a page's texts, what it says is wrong, its pictures and its forms."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.faults: list[str] = []
        self.forms: list[Form] = []
        self.pictures: dict[str, str] = {}
        self._address = address
        self._form: Form | None = None
        self._select = ""
        self._button: Button | None = None
        self._option = False
        self._area: str | None = None
        self._fault_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "div" and (self._fault_depth or _FAULTS & set(told.get("class", "").split())):
            self._fault_depth += 1
        if tag == "img":
            self.pictures[told.get("alt", "")] = urljoin(self._address, told.get("src"))
        if tag == "form":
            address = urljoin(self._address, told.get("action") or self._address)
            self._form = Form(address, told.get("enctype") == "multipart/form-data")
            self.forms.append(self._form)
        elif self._form is not None:
            self._in_form(self._form, tag, told)

    def _in_form(self, form: Form, tag: str, told: dict[str, str]) -> None:
        if "data-captcha" in told:
            form.challenge = urljoin(self._address, told["data-captcha"])
        if tag == "option":
            self._chosen(form, told)
        elif tag == "button":
            if told.get("type", "submit") == "submit":
                self._button = Button(told.get("name", ""), told.get("value", ""))
                form.buttons.append(self._button)
        elif told.get("name"):
            form.names.add(told["name"])
            self._filled(form, tag, told)

    def _filled(self, form: Form, tag: str, told: dict[str, str]) -> None:
        match tag, told.get("type", "text"):
            case "input", "radio" | "checkbox":
                if "checked" in told:
                    form.fields.append((told["name"], told.get("value", "on")))
            case "input", "file" | "submit" | "button":
                pass
            case "input", _:
                form.fields.append((told["name"], told.get("value", "")))
            case "select", _:
                self._select = told["name"]
            case "textarea", _:
                form.fields.append((told["name"], ""))
                self._area = told["name"]

    def _chosen(self, form: Form, told: dict[str, str]) -> None:
        """Take an option that is selected, or the first of its list."""
        if "selected" in told or self._select not in dict(form.fields):
            form.fields = [one for one in form.fields if one[0] != self._select]
            form.fields.append((self._select, told.get("value", "")))
            self._option = "value" not in told

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._form = None
            case "button":
                self._button = None
            case "textarea":
                self._area = None
            case "option":
                self._option = False
            case "div" if self._fault_depth:
                self._fault_depth -= 1

    def handle_data(self, data: str) -> None:
        if self._form is not None and (self._area is not None or self._option):
            name, value = self._form.fields[-1]
            self._form.fields[-1] = (name, value + data.strip())
            return
        if self._button is not None:
            self._button.label += f" {data}"
        self.texts.append(data)
        if self._fault_depth:
            self.faults.append(data)
