"""The pages under `/insurance`: the summary, the details, and asking to add, to change or to remove a coverage."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from portal.answers import Patient, patient_of, patients_of
from portal.calls import ServiceAwayError, ServiceProblem
from portal.commands import Outcome, new_id
from portal.events import key
from portal.guarding import FILES_BYTES_MAX, not_found, page_router
from portal.insurance.answers import Coverage, Coverages, Payer, Payers
from portal.insurance.cards import NO_CARD, Card, read_card
from portal.insurance.forms import Typed, add_coverage, blank, caught_up, known_payer, present, request_change
from portal.language import _
from portal.messages.files import File, upload_all
from portal.notices import tell
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.insurance import RemoveCoverage
from shared.paths import segment

router = page_router("/insurance")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a command was refused, in words, and where to go on from there."""

    title: str
    text: str = ""
    link: str | None = None
    link_text: str = ""


@router.get("")
async def overview(request: Request, person: Person) -> Response:
    """Show a card for each coverage."""
    patients, told = await asyncio.gather(
        patients_of(person, "insurance"), person.get("insurance", "/v1/coverages")
    )
    coverages = Coverages.validate_python(told)
    shown = []
    for patient in patients:
        own = [one for one in coverages if one.patient_id == patient.patient_id]
        live = [one for one in own if one.status != "removed"]
        shown.append(
            {
                "patient_id": patient.patient_id,
                "name": patient.name,
                "coverages": live,
                "turns": _turns(live),
                "removed": [one for one in own if one.status == "removed"],
            }
        )
    waiting = sum(coverage.waits_for_session_end for coverage in coverages)
    news = [key("insurance", patient.patient_id) for patient in patients]
    return render(request, "insurance/summary.html", patients=shown, waiting=waiting, news=news)


@router.get("/payers")
async def payers(request: Request, person: Person, payer_name: str = "") -> Response:
    """Answer the search as you type."""
    matching = await _payers(person, payer_name)
    found = known_payer(payer_name, matching)
    return render(request, "insurance/payers.html", payers=matching, typed=bool(payer_name), found=found)


@router.get("/add")
async def add_form(request: Request, person: Person, patient: str | None = None) -> Response:
    """Show the empty form."""
    patients = await patients_of(person, "insurance")
    if not patients:
        raise not_found()
    chosen = next((one for one in patients if one.patient_id == patient), patients[0])
    return await _add_page(request, person, patients, blank(chosen, new_id("coverage")))


@router.post("/add", max_body_size=FILES_BYTES_MAX)
async def add(request: Request, person: Person) -> Response:
    """Ask to add a coverage."""
    async with request.form() as form:
        typed = Typed.of(form)
        patients = await patients_of(person, "insurance")
        patient = patient_of(patients, typed["patient_id"])
        pictures, refused = await upload_all(person, patient.patient_id, form, "card_pictures")
    known = await _payers(person, "")
    command = add_coverage(typed, person.session_id, known, [file.attachment_id for file in pictures])
    if command is None or refused:
        return await _add_page(request, person, patients, typed, files=[*pictures, *refused])
    outcome = await person.ask(command, subject=patient.patient_id, own=patient.own)
    if outcome.state == "refused":
        return await _add_page(request, person, patients, typed, files=pictures, problem=_trouble(outcome, typed))
    done = _("Your insurance is on file.")
    if outcome.state == "done":
        done = _("Your insurance is on file. It will be verified when you log out.")
        if await _needs_staff(person, typed["coverage_id"]):
            done = _("Your insurance is on file. Our staff will look up the payer.")
    tell(request, outcome, "insurance", done)
    return RedirectResponse("/insurance", HTTPStatus.SEE_OTHER)


@router.get("/add/card")
async def card_form(_person: Person) -> Response:
    """Lead a page that is asked for again, without its pictures, back to the empty form."""
    return RedirectResponse("/insurance/add", HTTPStatus.SEE_OTHER)


@router.post("/add/card", max_body_size=FILES_BYTES_MAX)
async def fill_in(request: Request, person: Person) -> Response:
    """Show the form filled in with what the pictures of a card say, for the patient to look over."""
    async with request.form() as form:
        patients = await patients_of(person, "insurance")
        patient = patient_of(patients, str(form.get("patient_id") or ""))
        card = await read_card(person, patient.patient_id, form)
        typed = blank(patient, str(form.get("coverage_id") or new_id("coverage")))
    typed.values.update({name: one.value for name, one in card.suggestions.items()})
    return await _add_page(request, person, patients, typed, card=card)


@router.get("/{coverage_id}")
async def details(coverage_id: str, request: Request, person: Person) -> Response:
    """Show all that is known of a coverage."""
    coverage = await _coverage(person, coverage_id)
    return render(
        request, "insurance/details.html", coverage=coverage, news=[key("insurance", coverage.patient_id)]
    )


@router.get("/{coverage_id}/change")
async def change_form(coverage_id: str, request: Request, person: Person) -> Response:
    """Show what is on file, to be changed."""
    coverage = await _coverage(person, coverage_id)
    if coverage.status == "removed":
        return _to_details(coverage_id)
    return await _change_page(request, person, coverage, present(coverage, new_id("change")))


@router.post("/{coverage_id}/change")
async def change(coverage_id: str, request: Request, person: Person) -> Response:
    """Ask for a change."""
    coverage, patients, known = await asyncio.gather(
        _coverage(person, coverage_id), patients_of(person, "insurance"), _payers(person, "")
    )
    typed = Typed.of({**present(coverage, "").values, **await request.form()})
    command = request_change(typed, coverage, person.session_id, known)
    if command is None:
        return await _change_page(request, person, coverage, typed)
    own = patient_of(patients, coverage.patient_id).own
    outcome = await person.ask(command, subject=coverage.patient_id, own=own)
    if outcome.reason == "stale_version":
        coverage = await _coverage(person, coverage_id)
        typed = caught_up(typed, coverage)
    if outcome.state == "refused":
        return await _change_page(request, person, coverage, typed, problem=_trouble(outcome, typed))
    done = _("Your request is with our staff. What is on file stays in force until it is decided.")
    tell(request, outcome, "insurance", done)
    return _to_details(coverage_id)


@router.get("/{coverage_id}/remove")
async def remove_form(coverage_id: str, request: Request, person: Person) -> Response:
    """Ask whether a coverage shall really go."""
    coverage = await _coverage(person, coverage_id)
    if coverage.status == "removed":
        return _to_details(coverage_id)
    return render(request, "insurance/remove.html", coverage=coverage, problem=None)


@router.post("/{coverage_id}/remove")
async def remove(coverage_id: str, request: Request, person: Person) -> Response:
    """Ask to remove a coverage."""
    coverage, patients = await asyncio.gather(_coverage(person, coverage_id), patients_of(person, "insurance"))
    reason = str((await request.form()).get("reason") or "")[:80]
    command = RemoveCoverage(
        coverage_id=coverage_id,
        patient_id=coverage.patient_id,
        session_id=person.session_id,
        reason=reason or None,
    )
    outcome = await person.ask(
        command, subject=coverage.patient_id, own=patient_of(patients, coverage.patient_id).own
    )
    if outcome.state == "refused":
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "insurance/remove.html", status, coverage=coverage, problem=_trouble(outcome))
    tell(request, outcome, "insurance", _("The insurance is removed. Its history stays."))
    return RedirectResponse("/insurance", HTTPStatus.SEE_OTHER)


async def _payers(person: PersonAtPage, wanted: str) -> list[Payer]:
    return Payers.validate_python(await person.get("insurance", "/v1/payers", q=wanted))


async def _coverage(person: PersonAtPage, coverage_id: str) -> Coverage:
    return Coverage.model_validate(await person.get("insurance", f"/v1/coverages/{segment(coverage_id)}"))


async def _needs_staff(person: PersonAtPage, coverage_id: str) -> bool:
    """Return whether staff look up the payer; who cannot be told so is still told that it is done."""
    try:
        return (await _coverage(person, coverage_id)).status == "needs-staff"
    except (ServiceAwayError, ServiceProblem):
        return False


def _turns(coverages: Sequence[Coverage]) -> dict[str, int]:
    """Return in which place each coverage pays, from 1: a removed one leaves a gap in the priorities."""
    priorities = [one.priority or 0 for one in coverages]
    return {one.coverage_id: 1 + sum(other < (one.priority or 0) for other in priorities) for one in coverages}


def _to_details(coverage_id: str) -> Response:
    return RedirectResponse(f"/insurance/{segment(coverage_id)}", HTTPStatus.SEE_OTHER)


async def _add_page(
    request: Request,
    person: PersonAtPage,
    patients: list[Patient],
    typed: Typed,
    *,
    files: Sequence[File] = (),
    problem: Trouble | None = None,
    card: Card = NO_CARD,
) -> Response:
    who = [(patient.patient_id, patient.name) for patient in patients]
    shown = {"patients": patients, "who": who, "attached": files}
    return await _form_page(request, person, "insurance/add.html", typed, problem, card, **shown)


async def _change_page(
    request: Request, person: PersonAtPage, coverage: Coverage, typed: Typed, *, problem: Trouble | None = None
) -> Response:
    return await _form_page(request, person, "insurance/change.html", typed, problem, NO_CARD, coverage=coverage)


async def _form_page(
    request: Request,
    person: PersonAtPage,
    template: str,
    typed: Typed,
    problem: Trouble | None,
    card: Card,
    **shown: Any,
) -> Response:
    """Return a form with all that was typed and what has to be looked at again."""
    known = await _payers(person, "")
    found = known_payer(typed["payer_name"], known)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem or typed.faults or card.refused else HTTPStatus.OK
    return render(
        request,
        template,
        status,
        form=typed.values,
        faults=typed.faults,
        payers=known,
        typed=bool(typed["payer_name"]),
        found=found,
        problem=problem,
        suggestions=card.suggestions,
        card_refused=card.refused,
        **shown,
    )


def _trouble(outcome: Outcome, typed: Typed | None = None) -> Trouble:
    """Return a refusal in words; one that is about a single field is noted there too."""
    said = refusal("insurance", outcome.reason)
    if typed is not None and outcome.reason == "birth_date_in_future":
        typed.faults["birth_date"] = said
    if outcome.reason == "duplicate_coverage":
        return Trouble(_("This was not added."), said, "/insurance", _("See what is on file"))
    return Trouble(_("Nothing was changed."), said)
