"""`python -m services.insurance` runs one process; with `migrate` it migrates the database and ends."""

from shared.command import main

main("services.insurance")
