"""What insurance shows over HTTP, and what staff do there."""

from services.insurance.api import cards, coverages, fhir, staff

ROUTERS = (coverages.router, cards.router, staff.router, fhir.router)
