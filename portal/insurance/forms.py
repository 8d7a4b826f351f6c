"""What was typed into an insurance form, and the command it makes; or what is wrong with it, field by field."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from portal.amounts import whole
from portal.answers import Patient
from portal.insurance.answers import Coverage, Payer
from portal.language import _
from shared.events.insurance import AddCoverage, CoverageChanges, RequestChange

SUBSCRIBER: Final = ("first_name", "last_name", "birth_date")
SHOWN: Final = ("payer_name", "plan_name", "group_number", "relationship", "effective_from", "effective_to")
"""What a form for a change is filled with, and carries along as `seen_…`: only what differs is asked for."""
TEXTS: Final = (*SHOWN, *SUBSCRIBER, "member_id", "note")


@dataclass
class Typed:
    """A form as it was typed, and a sentence for each field that has to be looked at again."""

    values: dict[str, str]
    faults: dict[str, str] = field(default_factory=lambda: defaultdict(str))

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> "Typed":
        """Read what a browser sent; what is missing is empty."""
        names = (*TEXTS, "patient_id", "coverage_id", "change_id", "base_version", *map(_seen, SHOWN))
        return cls({name: str(form.get(name) or "").strip() for name in names})

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def touched(self, name: str) -> bool:
        """Tell whether somebody typed something else than the form was filled with."""
        return self[name] != self.values.get(_seen(name), "")

    def require(self, *names: str) -> None:
        """Note what has to be filled in and is not."""
        for name in names:
            if not self[name]:
                self.faults[name] = _("Please fill this in.")

    def day(self, name: str) -> date | None:
        """Return a date, and note when it is none."""
        if not self[name]:
            return None
        try:
            return date.fromisoformat(self[name])
        except ValueError:
            self.faults[name] = _("Please enter a date.")
            return None

    def blame(self, error: ValidationError) -> None:
        """Note the fields that a message cannot carry: too long, or with characters that are no text."""
        for fault in error.errors():
            names = [part for part in fault["loc"] if part in TEXTS]
            self.faults[str(names[-1]) if names else "payer_name"] = _(
                "This is too long, or has signs that do not fit."
            )


def _seen(name: str) -> str:
    return f"seen_{name}"


def blank(patient: Patient, coverage_id: str) -> Typed:
    """Return the empty form for a patient's new insurance: most plans belong to the patient."""
    first, _gap, last = patient.name.partition(" ")
    told = {"patient_id": patient.patient_id, "coverage_id": coverage_id, "relationship": "self"}
    return Typed.of(told | {"first_name": first, "last_name": last})


def present(coverage: Coverage, change_id: str) -> Typed:
    """Return the form for a change, filled with what is on file."""
    shown = coverage.model_dump(mode="json", include=set(SHOWN))
    seen = {_seen(name): value for name, value in shown.items()}
    return Typed.of({**shown, **seen, "change_id": change_id, "base_version": coverage.version})


def caught_up(typed: Typed, coverage: Coverage) -> Typed:
    """Return the form for what is on file by now, with what was typed; the rest follows what others changed."""
    touched = {name: typed[name] for name in TEXTS if typed.touched(name)}
    return Typed({**present(coverage, typed["change_id"]).values, **touched})


def known_payer(name: str, payers: Sequence[Payer]) -> Payer | None:
    """Return the payer of this name; a retired one leads to the one that took its place."""
    found = next((payer for payer in payers if payer.called(name)), None)
    if found is not None and found.replaced_by is not None:
        return next((payer for payer in payers if payer.payer_id == found.replaced_by), found)
    return found


def add_coverage(
    typed: Typed, session_id: str, payers: Sequence[Payer], pictures: Sequence[str]
) -> AddCoverage | None:
    """Return the command, or nothing when there are faults."""
    typed.require("payer_name", "member_id", "relationship", *SUBSCRIBER)
    effective_from, subscriber = typed.day("effective_from"), _subscriber(typed)
    if typed.faults:
        return None
    payer = known_payer(typed["payer_name"], payers)
    try:
        return AddCoverage.model_validate(
            {
                "coverage_id": typed["coverage_id"],
                "patient_id": typed["patient_id"],
                "session_id": session_id,
                "payer_id": payer and payer.payer_id,
                "payer_name": payer.name if payer else typed["payer_name"],
                "plan_name": typed["plan_name"] or None,
                "member_id": typed["member_id"],
                "group_number": typed["group_number"] or None,
                "subscriber": subscriber,
                "relationship": typed["relationship"],
                "effective_from": effective_from,
                "card_attachment_ids": tuple(pictures) or None,
            }
        )
    except ValidationError as error:
        typed.blame(error)
        return None


def request_change(
    typed: Typed, coverage: Coverage, session_id: str, payers: Sequence[Payer]
) -> RequestChange | None:
    """Return the command with the fields that somebody changed, or nothing when there are faults."""
    typed.require("payer_name", "relationship")
    changes = _plan(typed, payers) | _days(typed) | _person(typed)
    if not changes and not typed.faults:
        typed.faults["all"] = _("Nothing here differs from what is on file.")
    if typed.faults:
        return None
    version = whole(typed["base_version"])
    try:
        return RequestChange(
            change_id=typed["change_id"],
            coverage_id=coverage.coverage_id,
            patient_id=coverage.patient_id,
            session_id=session_id,
            base_version=coverage.version if version is None else version,
            changes=CoverageChanges.model_validate(changes),
            note=typed["note"] or None,
        )
    except ValidationError as error:
        typed.blame(error)
        return None


def _plan(typed: Typed, payers: Sequence[Payer]) -> dict[str, Any]:
    changes: dict[str, Any] = {
        name: typed[name] for name in ("plan_name", "group_number", "relationship") if typed.touched(name)
    }
    if typed.touched("payer_name"):
        payer = known_payer(typed["payer_name"], payers)
        known = {"payer_name": payer.name, "payer_id": payer.payer_id} if payer else {}
        changes |= known or {"payer_name": typed["payer_name"]}
    if typed["member_id"]:
        changes["member_id"] = typed["member_id"]
    return changes


def _days(typed: Typed) -> dict[str, Any]:
    days = {name: typed.day(name) for name in ("effective_from", "effective_to")}
    return {name: day for name, day in days.items() if day is not None and typed.touched(name)}


def _person(typed: Typed) -> dict[str, Any]:
    """Return who holds the plan, when it was typed: all of it or nothing."""
    if not any(typed[name] for name in SUBSCRIBER):
        return {}
    typed.require(*SUBSCRIBER)
    return {"subscriber": _subscriber(typed)}


def _subscriber(typed: Typed) -> dict[str, Any]:
    names = {name: typed[name] for name in ("first_name", "last_name")}
    return names | {"birth_date": typed.day("birth_date")}
