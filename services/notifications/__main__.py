"""`python -m services.notifications` runs one process; with `migrate` it migrates the database and ends."""

from services.notifications.app import APPLICATION
from shared.process import main

main(APPLICATION)
