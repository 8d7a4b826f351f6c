# noqa: INP001  # a script of the image, part of no package
"""Ends with 0 if the program in this container, at the port that is given, is ready: the image's health check."""

import http.client
import sys

port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
connection.request("GET", "/health/ready")
sys.exit(connection.getresponse().status != http.HTTPStatus.OK)
