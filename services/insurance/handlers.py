"""Insurance as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from functools import partial
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from services.insurance.domain import State, decide, state_key
from services.insurance.domain.asking import AskAgain, CheckBeforeVisit, CheckCoverage
from services.insurance.domain.payers import Directory, Payer
from services.insurance.domain.session import GatherSession, SubmitSession
from services.insurance.domain.settling_work import SettleWork
from services.insurance.store import load, save
from shared.events.insurance import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers

DIRECTORY: Final = Directory(
    TypeAdapter(list[Payer]).validate_json((Path(__file__).parent / "payers.json").read_bytes())
)
"""The payers that can be asked; a data file, for it changes a few times a year."""

INSURANCE: Final[Handlers[State]] = Handlers(
    service=SERVICES["insurance"],
    load=load,
    decide=partial(decide, directory=DIRECTORY),
    save=save,
    refusal=CommandRefused,
    timers=(GatherSession, SubmitSession, AskAgain, CheckCoverage, CheckBeforeVisit),
    asked=(SettleWork,),
    key=state_key,
)
"""Without what is done outside, which needs settings: see `tasks.performers`."""
