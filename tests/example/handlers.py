"""What the feedback service gives the kit."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.events.envelope import Data
from shared.events.topics import Service
from shared.messaging.handlers import Handlers, Performer
from tests.example import store
from tests.example.domain import CloseFeedback, Thanked, ThankVisitor, Visit, decide
from tests.example.messages import CommandRefused

Thank = Callable[[str, str], Awaitable[None]]
"""Thanks the visitor of a visit, given a key that is the same at every attempt."""


def handlers(service: Service, thank: Thank, waits_s: tuple[float, ...] = (0.1, 0.2)) -> Handlers[Visit]:
    """Return the service, as the kit sees it, with the outside system that thanks visitors."""

    async def perform(task: ThankVisitor, key: str) -> Data:
        await thank(task.visit_id, key)
        return Thanked(visit_id=task.visit_id, thanked=True)

    def gave_up(task: ThankVisitor, _reason: str) -> Data:
        return Thanked(visit_id=task.visit_id, thanked=False)

    return Handlers(
        service=service,
        load=store.load,
        decide=decide,
        save=store.save,
        refusal=CommandRefused,
        performers={
            ThankVisitor: Performer(
                perform, gave_up, timeout=timedelta(seconds=5), waits=tuple(timedelta(seconds=s) for s in waits_s)
            )
        },
        timers=(CloseFeedback,),
        after_hearing=(CloseFeedback,),
    )
