"""Plays the stories on programs that something else has started: `python -m local.demo`.

It ends with 0 if every story ended as it should.
"""

import asyncio
import sys

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from local import demo
from shared.events.topics import SERVICES
from shared.settings import read


class Where(BaseSettings):
    """Where the programs are. The databases' addresses may be secrets, as those of the services are."""

    kafka_bootstrap_servers: str
    payments_url: str
    insurance_url: str
    inbox_url: str
    notifications_url: str
    sandbox_url: str
    portal_url: str
    payments_database_url: SecretStr
    insurance_database_url: SecretStr
    inbox_database_url: SecretStr
    notifications_database_url: SecretStr

    def endpoints(self) -> dict[str, object]:
        """Return the same as `endpoints.json` of a local start holds."""
        told = {name: str(getattr(self, f"{name}_url")) for name in (*SERVICES, "sandbox", "portal")}
        databases = {name: getattr(self, f"{name}_database_url").get_secret_value() for name in SERVICES}
        return {"kafka": self.kafka_bootstrap_servers, **told, "databases": databases}


if __name__ == "__main__":
    sys.exit(not asyncio.run(demo.play(read(Where).endpoints())))
