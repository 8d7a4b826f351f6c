"""What insurance shows over HTTP, and what staff do there."""

from services.insurance.api import coverages, fhir, staff

ROUTERS = (coverages.router, staff.router, fhir.router)
