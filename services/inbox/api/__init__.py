"""The HTTP calls of the inbox: the patient's threads, the staff's in baskets, and the supervisors' rules."""

from services.inbox.api import attachments, figures, items, resumable, routing, stream, threads

ROUTERS = (
    threads.router,
    items.router,
    stream.router,
    attachments.router,
    resumable.router,
    routing.router,
    figures.router,
)
