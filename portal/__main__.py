"""Starts the portal: `python -m portal`."""

from portal.app import main

main()
