"""Adding, removing and ordering coverages: who may, what is refused, and what is told again."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.insurance.domain.settling_work import SettleWork
from shared.events.insurance import (
    AddCoverage,
    CommandRefused,
    CoverageChanges,
    CoverageRemoved,
    VerificationSubmitted,
    WorkRaised,
    WorkSettled,
)
from tests.unit.insurance.story import (
    ANA,
    NOW,
    OTHER,
    PERSON,
    PROXY,
    STAFF,
    Hospital,
    active,
    add,
    answer,
    change,
    decision,
    hospital,
    message,
    on_file,
    outcome,
    registered,
    remove,
    session_ended,
    set_priority,
    verify_again,
)


@pytest.mark.parametrize("actor", [f"proxy:{PROXY}", STAFF])
def test_a_proxy_and_staff_may_add_for_a_patient(actor: str) -> None:
    assert outcome(hospital().hear(add(), actor=actor)) == ("done", None)


@pytest.mark.parametrize("said", ["patient", "proxy"])
@pytest.mark.parametrize(("person_id", "by"), [(PERSON, "patient"), (PROXY, "proxy")])
def test_the_history_says_patient_or_proxy_by_whose_login_it_is(said: str, person_id: str, by: str) -> None:
    world, actor = active(), f"{said}:{person_id}"
    for command, what in (
        (add("COV-2"), "added"),
        (change(), "change-requested"),
        (remove("COV-2"), "removed"),
    ):
        assert outcome(world.hear(command, actor=actor)) == ("done", None)
        assert [(one.what, one.by) for one in world.patient.history] == [(what, by)]


def test_the_history_says_who_it_was_of_all_that_was_done_in_a_batch() -> None:
    world = active("COV-1", "COV-2")
    world.hear(on_file(), actor="host:registration")
    assert [(one.what, one.actor) for one in world.patient.history] == [("on-file", "host:registration")]

    world.hear(
        message(change(), actor=f"proxy:{PROXY}"),
        message(decision(), actor=STAFF),
        message(remove("COV-2"), actor="staff:sam"),
        message(verify_again("COV-H"), actor=STAFF),
    )
    assert [(one.coverage_id, one.what, one.actor) for one in world.patient.history] == [
        ("COV-1", "change-requested", f"proxy:{PROXY}"),
        ("COV-1", "verification-submitted", STAFF),
        ("COV-1", "change-accepted", STAFF),
        ("COV-2", "removed", "staff:sam"),
        ("COV-H", "verification-submitted", STAFF),
    ]


@pytest.mark.parametrize("actor", [f"patient:{OTHER}", f"proxy:{OTHER}", "guest", "service:inbox"])
@pytest.mark.parametrize("command", [add("COV-2"), change(), remove()], ids=lambda one: one.TYPE)
def test_for_nobody_else_there_is_such_a_patient(actor: str, command: Any) -> None:
    assert outcome(active().hear(command, actor=actor)) == ("refused", "not_found")


def test_of_a_patient_nobody_has_heard_of_nothing_is_found() -> None:
    assert outcome(Hospital().hear(add())) == ("refused", "not_found")
    assert outcome(Hospital().hear(remove())) == ("refused", "not_found")


def test_the_same_id_again_is_done_again_and_with_other_content_refused() -> None:
    world = hospital(add())
    first, again = world.told[-1], world.hear(add(session_id="S-7"))

    assert again == [first]
    assert outcome(world.hear(add(member_id="ACTIVE-other"))) == ("refused", "idempotency_conflict")


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"member_id": "active cov 1"},
        {"payer_id": None, "payer_name": "sandbox HEALTH plan"},
        {"payer_id": None, "payer_name": "SHP"},
    ],
)
def test_the_same_payer_and_member_again_is_refused_and_names_the_one_on_file(other: dict[str, Any]) -> None:
    world = hospital(add("COV-1"))

    told = world.hear(add("COV-2", **{"member_id": "ACTIVE-COV-1"} | other))

    assert outcome(told) == ("refused", "duplicate_coverage")
    assert isinstance(told[0].data, CommandRefused)
    assert "COV-1" in told[0].data.detail


def test_a_removed_coverage_may_be_added_again_under_a_new_id() -> None:
    world = hospital(add(), remove())
    assert outcome(world.hear(add("COV-2", member_id="ACTIVE-COV-1"))) == ("done", None)


def test_a_birth_date_to_come_is_refused() -> None:
    unborn = ANA.model_copy(update={"birth_date": date(2030, 1, 1)})
    assert outcome(hospital().hear(add(subscriber=unborn))) == ("refused", "birth_date_in_future")


def test_a_child_that_is_born_where_the_day_begins_first_is_no_fault() -> None:
    today = ANA.model_copy(update={"birth_date": date(2026, 3, 3)})
    assert NOW.astimezone(ZoneInfo("Pacific/Kiritimati")).date() == today.birth_date
    assert outcome(hospital().hear(add(subscriber=today))) == ("done", None)


@pytest.mark.parametrize(
    "blank",
    [
        *({"member_id": text} for text in (" ", "- -", "*")),
        {"payer_name": "  "},
        {"payer_name": "--", "payer_id": None},
        *(
            {"subscriber": ANA.model_copy(update={"first_name": " ", "last_name": text})}
            for text in ("", " ", "-")
        ),
    ],
)
def test_what_has_no_letter_or_digit_is_invalid_where_the_payer_is_asked_by_it(blank: dict[str, Any]) -> None:
    world = active()
    for command in (add("COV-2", **blank), change(changes=CoverageChanges(**blank))):
        told = world.hear(command)
        assert outcome(told) == ("refused", "invalid_data")
        assert isinstance(told[0].data, CommandRefused)
        assert told[0].data.detail.startswith(next(iter(blank)))


@pytest.mark.parametrize("name", [{"first_name": ""}, {"last_name": ""}, {"first_name": "娜", "last_name": "李"}])
def test_one_name_in_any_letters_is_enough(name: dict[str, str]) -> None:
    holder = ANA.model_copy(update=name)
    assert outcome(hospital().hear(add(subscriber=holder))) == ("done", None)


def test_a_payer_is_not_called_by_the_name_of_another() -> None:
    told = add(payer_id="SANDBOX01", payer_name="Harbor Mutual")
    world = hospital(told)
    assert world.coverage().content.payer_name == "Sandbox Health Plan"
    assert outcome(world.hear(told)) == ("done", None)


def test_an_unknown_payer_is_accepted_and_staff_choose_who_it_is() -> None:
    world = hospital()
    told = world.hear(add(payer_id=None, payer_name="Aunt Emma's Fund"), session_ended())
    world.settle(timedelta(hours=1))
    assert outcome(told) == ("done", None)
    assert (world.coverage().status, world.coverage().reason) == ("needs-staff", "unknown_payer")
    (work,) = world.said(WorkRaised)
    assert work.about.coverage_id == "COV-1"

    chosen: dict[str, Any] = {"work_id": work.work_id, "patient_id": work.about.patient_id}
    wrong = SettleWork(**chosen, action="choose-payer", payer_id="NOBODY")
    assert outcome(world.hear(wrong, actor=STAFF)) == ("refused", "unknown_payer")
    assert outcome(world.hear(SettleWork(**chosen, action="accept"), actor=STAFF))[1] == "action_not_offered"
    right = SettleWork(**chosen, action="choose-payer", payer_id="SANDBOX90")
    told = world.hear(right, actor=STAFF)
    assert [type(event.data) for event in told] == [WorkSettled, VerificationSubmitted]
    assert outcome(told) == ("done", None)
    world.settle()

    assert (world.coverage().status, world.coverage().version) == ("active", 2)
    assert world.asked[0].inquiry.payer_id == "SANDBOX02"
    assert outcome(world.hear(right, actor=STAFF)) == ("done", None)
    assert outcome(world.hear(SettleWork(**chosen, action="close"), actor=STAFF)) == ("refused", "work_settled")


def test_staff_cannot_choose_a_payer_that_makes_a_coverage_the_same_as_another() -> None:
    world = hospital(add("COV-1"), add("COV-2", payer_id=None, payer_name="Sandy", member_id="active cov 1"))
    (work,) = world.said(WorkRaised)
    chosen: dict[str, Any] = {"work_id": work.work_id, "patient_id": "PT-1", "action": "choose-payer"}
    told = world.hear(SettleWork(**chosen, payer_id="SANDBOX01"), actor=STAFF)

    assert outcome(told) == ("refused", "duplicate_coverage")
    assert isinstance(told[0].data, CommandRefused)
    assert "COV-1" in told[0].data.detail
    assert (world.coverage("COV-2").version, world.coverage("COV-2").reason) == (1, "unknown_payer")
    assert outcome(world.hear(SettleWork(**chosen, payer_id="SANDBOX02"), actor=STAFF)) == ("done", None)


def test_a_chosen_payer_is_asked_about_a_dependent_once_the_host_has_told_who_the_patient_is() -> None:
    world = Hospital()
    world.hear(on_file(payer_id="NOPE", payer_name="Nope", relationship="child"))
    (work,) = world.said(WorkRaised)
    chosen = SettleWork(work_id=work.work_id, patient_id="PT-1", action="choose-payer", payer_id="SANDBOX02")
    assert outcome(world.hear(chosen, actor=STAFF)) == ("done", None)
    assert (world.coverage("COV-H").status, world.coverage("COV-H").reason) == ("pending", None)

    world.hear(registered())
    world.settle(timedelta(hours=34))
    assert (world.coverage("COV-H").status, world.coverage("COV-H").version) == ("active", 2)


def test_staff_override_a_failed_verification_with_a_note() -> None:
    world = hospital(add(), session_ended(), payer=lambda task: answer(task, "rejected", codes=("79",)))
    world.settle()
    (work,) = world.said(WorkRaised)
    asked: dict[str, Any] = {"work_id": work.work_id, "patient_id": "PT-1", "action": "override"}

    for given, missing in (({"status": "active"}, "note"), ({"note": "Called."}, "status"), ({}, "status, note")):
        told = world.hear(SettleWork(**asked | given), actor=STAFF)
        assert outcome(told) == ("refused", "invalid_data")
        assert told[0].data == CommandRefused(
            command_type=SettleWork.TYPE, reason="invalid_data", detail=f"Missing: {missing}."
        )
    told = world.hear(SettleWork(**asked, status="active", note="Called."), actor=STAFF)

    assert outcome(told) == ("done", None)
    assert world.hear(SettleWork(**asked, status="active", note="Called."), actor=STAFF) == told
    for other in ({"status": "inactive", "note": "Called."}, {"status": "active", "note": "Wrote."}):
        assert outcome(world.hear(SettleWork(**asked | other), actor=STAFF)) == ("refused", "idempotency_conflict")
    assert [one.action for one in world.said(WorkSettled)] == ["override"] * 2
    assert world.coverage().status == "active"


def test_what_staff_override_has_no_benefits_of_an_older_answer() -> None:
    world = active()
    world.payer = lambda task: answer(task, "rejected", codes=("79",))
    world.hear(verify_again(), actor=STAFF)
    world.settle()
    (work,) = world.said(WorkRaised)
    assert world.coverage().answer_id
    asked: dict[str, Any] = {"work_id": work.work_id, "patient_id": "PT-1", "action": "override"}
    world.hear(SettleWork(**asked, status="inactive", note="Called."), actor=STAFF)

    assert (world.coverage().status, world.coverage().answer_id) == ("inactive", None)
    assert world.coverage().verified_at == world.now


def test_removing_is_soft_happens_once_and_drops_what_was_asked_of_it() -> None:
    world = active()
    world.hear(change())
    first, again = world.hear(remove()), world.hear(remove())

    assert outcome(first) == outcome(again) == ("done", None)
    assert len(world.said(CoverageRemoved)) == 2
    assert world.coverage().status == "removed"
    assert world.patient.changes["CHG-1"].status == "dropped"
    assert not [one for one in world.patient.work.values() if one.is_open]
    (raised,) = world.said(WorkRaised)
    assert [(one.work_id, one.action) for one in world.said(WorkSettled)] == [(raised.work_id, "removed")]
    assert outcome(world.hear(change("CHG-2"))) == ("refused", "not_found")
    assert outcome(world.hear(decision(), actor=STAFF)) == ("refused", "not_found")
    assert outcome(world.hear(remove("COV-0"))) == ("refused", "not_found")


@pytest.mark.parametrize(
    ("added", "codes"), [(add(), ("79",)), (add(payer_id=None, payer_name="Aunt Emma's Fund"), ())]
)
def test_removing_leaves_no_work_about_what_is_gone(added: AddCoverage, codes: tuple[str, ...]) -> None:
    world = hospital(added, session_ended(), payer=lambda task: answer(task, "rejected", codes=codes))
    world.settle()
    (raised,) = world.said(WorkRaised)
    world.hear(remove())
    assert [(one.work_id, one.action) for one in world.said(WorkSettled)] == [(raised.work_id, "removed")]
    gone = SettleWork(work_id=raised.work_id, patient_id="PT-1", action="close")
    assert outcome(world.hear(gone, actor=STAFF)) == ("refused", "work_settled")
    unknown = gone.model_copy(update={"work_id": "nobodys"})
    assert outcome(world.hear(unknown, actor=STAFF)) == ("refused", "not_found")


def test_only_staff_decide_and_order() -> None:
    world = active()
    world.hear(change())
    assert outcome(world.hear(decision())) == ("refused", "not_allowed")
    assert outcome(world.hear(set_priority("COV-1"))) == ("refused", "not_allowed")
    assert outcome(world.hear(decision("CHG-0"), actor=STAFF)) == ("refused", "not_found")


def test_staff_say_in_which_order_coverages_pay() -> None:
    world = active("COV-1", "COV-2")
    assert [one.coverage_id for one in world.patient.live()] == ["COV-1", "COV-2"]

    assert outcome(world.hear(set_priority("COV-2", "COV-1"), actor=STAFF)) == ("done", None)

    assert [one.coverage_id for one in world.patient.live()] == ["COV-2", "COV-1"]
    for wrong in (("COV-1",), ("COV-1", "COV-1"), ("COV-1", "COV-2", "COV-3")):
        assert outcome(world.hear(set_priority(*wrong), actor=STAFF)) == ("refused", "priority_mismatch")
