"""`python -m services.payments` runs one process; with `migrate` it migrates the database and ends."""

from services.payments.app import APPLICATION
from shared.process import main

main(APPLICATION)
