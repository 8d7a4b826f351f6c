"""Starts the sandbox: `python -m sandbox`."""

import os
import resource

import uvicorn

from sandbox.app import create_app
from sandbox.settings import Settings
from shared import logs
from shared.settings import KafkaSettings, read


def main() -> None:
    """Serve until a signal ends it; a bad environment ends the start with a line for each fault."""
    told = read(Settings)
    kafka = read(KafkaSettings) if "KAFKA_BOOTSTRAP_SERVERS" in os.environ else None
    logs.configure("sandbox")
    # Whoever waits for an answer that never comes holds a connection, and there may be thousands.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvicorn.run(
        create_app(told, kafka),
        host=told.http_host,
        port=told.http_port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        ws="none",
    )


if __name__ == "__main__":
    main()
