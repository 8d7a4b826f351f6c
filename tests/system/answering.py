"""A program for the tests of the launcher: it answers every GET with 200 and says when it is asked to end."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def end(_number: int, _frame: FrameType | None) -> None:
    os.write(sys.stdout.fileno(), b"asked to end\n")
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    if sys.argv[1:] == ["prepare"]:
        sys.exit(0)
    if os.environ.get("ANSWERING_FAILS"):
        sys.exit("the licence of the program has run out")
    HTTPServer(("127.0.0.1", int(os.environ["ANSWERING_HTTP_PORT"])), Handler).serve_forever()
