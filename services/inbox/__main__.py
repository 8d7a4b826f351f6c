"""`python -m services.inbox` runs one process; with `migrate` it migrates the database and ends."""

from services.inbox.app import APPLICATION
from shared.process import main

main(APPLICATION)
