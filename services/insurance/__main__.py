"""`python -m services.insurance` runs one process; with `migrate` it migrates the database and ends."""

from services.insurance.app import APPLICATION
from shared.process import main

main(APPLICATION)
