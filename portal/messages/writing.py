"""The guided way to a message: what kind, about what, to whom, and then the text; and the command it makes.

Each step is an address with what was chosen so far, so that going back and reloading work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

from pydantic import ValidationError

from portal.answers import Patient
from portal.language import _
from shared.events.inbox import CATEGORIES, Kind, SendMessage
from shared.events.vocabulary import About

OFFERED: Final = {
    kind: tuple(category for category, of in CATEGORIES.items() if of == kind) for kind in get_args(Kind)
}
"""The categories of each kind."""
ASKS_FOR_PROVIDER: Final = "non-urgent-question"
"""The category in which the patient says who shall read it; for the others the care team is known."""

Step = Literal["patient", "kind", "category", "provider", "text"]


@dataclass(frozen=True, slots=True)
class Path:
    """What has been chosen so far; other pages lead here with some of it chosen (`?kind=…&account_number=…`)."""

    patient_id: str = ""
    kind: str = ""
    category: str = ""
    provider_id: str = ""
    account_number: str = ""
    coverage_id: str = ""
    statement_id: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any], patients: Sequence[Patient]) -> "Path":
        """Read an address or a form; what makes no sense is taken as not chosen.

        A patient who was chosen is never taken for another, not even for the only one.
        """
        path = cls(**{one.name: str(told.get(one.name) or "")[:120] for one in fields(cls)})
        if not path.patient_id and len(patients) == 1:
            path = replace(path, patient_id=patients[0].patient_id)
        if path.patient_id not in {patient.patient_id for patient in patients}:
            path = replace(path, patient_id="", provider_id="")
        if path.kind not in OFFERED:
            path = replace(path, kind="")
        if path.category not in OFFERED.get(path.kind, ()):
            path = replace(path, category="")
        return path if path.category == ASKS_FOR_PROVIDER else replace(path, provider_id="")

    def steps(self, patients: Sequence[Patient]) -> list[Step]:
        """Return the steps of this way, in order."""
        first: list[Step] = ["patient"] if len(patients) > 1 or not self.patient_id else []
        asked: list[Step] = ["provider"] if self.category == ASKS_FOR_PROVIDER else []
        return [*first, "kind", "category", *asked, "text"]

    def step(self, patients: Sequence[Patient]) -> Step:
        """Return the first step that is not done."""
        done = {
            "patient": self.patient_id,
            "kind": self.kind,
            "category": self.category,
            "provider": self.provider_id,
        }
        return next(step for step in self.steps(patients) if step == "text" or not done[step])

    def address(self, **chosen: str) -> str:
        """Return where one gets by choosing; a choice that is taken back takes those after it back."""
        return f"/messages/new?{urlencode({name: value for name, value in self.told(**chosen).items() if value})}"

    def told(self, **chosen: str) -> dict[str, str]:
        """Return the choices by name."""
        path = replace(self, **chosen)
        return {one.name: getattr(path, one.name) for one in fields(path)}

    def back(self, patients: Sequence[Patient]) -> str:
        """Return the address of the step before."""
        steps = self.steps(patients)
        at = steps.index(self.step(patients))
        undone: dict[Step, dict[str, str]] = {
            "patient": {"patient_id": "", "kind": "", "category": "", "provider_id": ""},
            "kind": {"kind": "", "category": "", "provider_id": ""},
            "category": {"category": "", "provider_id": ""},
            "provider": {"provider_id": ""},
            "text": {},
        }
        return self.address(**undone[steps[at - 1]]) if at else "/messages"


@dataclass(frozen=True, slots=True)
class Text:
    """What was written."""

    message_id: str
    subject: str = ""
    body: str = ""

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> "Text":
        """Read a form; browsers send line breaks as two signs."""
        body = str(form.get("body") or "").replace("\r\n", "\n").strip()
        return cls(str(form.get("message_id") or ""), str(form.get("subject") or "").strip(), body)


def message(path: Path, text: Text, attachment_ids: Sequence[str], thread_id: str | None = None) -> SendMessage:
    """Return the command that sends a message.

    Raises:
        ValidationError: a field is empty, too long, or has signs that are no text.
    """
    about = {name: getattr(path, name) for name in ("account_number", "coverage_id", "statement_id")}
    return SendMessage.model_validate(
        {
            "message_id": text.message_id,
            "thread_id": thread_id,
            "patient_id": path.patient_id,
            "kind": path.kind,
            "category": path.category,
            "provider_id": path.provider_id or None,
            "subject": text.subject,
            "body": text.body,
            "attachment_ids": tuple(attachment_ids) or None,
            "about": About.model_validate({k: v for k, v in about.items() if v}) if any(about.values()) else None,
        }
    )


def faulty(error: ValidationError) -> dict[str, str]:
    """Return a sentence for each field of the form that a message cannot carry."""
    fields = {part for fault in error.errors() for part in fault["loc"][:1]}
    sentences = {
        "subject": _("Please say in a few words what it is about."),
        "body": _("Please write something, and not more than 20,000 letters."),
    }
    return {name: sentence for name, sentence in sentences.items() if name in fields}
