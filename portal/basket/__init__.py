"""The staff's in basket: pools, items, the thread with its actions, live, and the supervisor's figures."""

from fastapi import APIRouter

from portal.basket import actions, figures, pages

router = APIRouter()
for part in (figures, pages, actions):
    router.include_router(part.router)
