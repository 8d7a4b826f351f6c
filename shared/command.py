"""What a service's process was started for: `python -m services.NAME` runs it, `… migrate` migrates its database.

One that migrates loads neither rules nor routes: at each start of everything, all others wait for it.
"""

import gc
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from shared import logs, migrations
from shared.settings import DatabaseSettings, read
from shared.waiting import until_signal, when_there


def main(package: str) -> None:
    """Do what the command line says, for the service in `package`.

    Args:
        package: its name; what runs it is `APPLICATION` in its module `app`, its revisions are in `migrations`.
    """
    match sys.argv[1:]:
        case []:
            gc.disable()  # nothing that is loaded is garbage
            application = import_module(f"{package}.app").APPLICATION
            gc.enable()
            do(package, application.run)
        case ["migrate"]:
            do(package, lambda: _migrate(package))
        case _:
            sys.exit(f"usage: python -m {package} [migrate]")


def do(package: str, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what the process is for, until done or ended by a signal; what keeps it from starting is one line."""
    name = _name(package)
    logs.configure(name)
    try:
        uvloop.run(until_signal(step()))
    except migrations.SchemaError as error:
        sys.exit(f"{name} does not start: {error}")
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        sys.exit(f"{name} does not start: the database does not let us in: {type(error).__name__}")
    except asyncpg.InsufficientPrivilegeError:
        sys.exit(
            f"{name} does not start: its user of the database lacks a right: `migrate` needs the owner of the"
            " tables, all else one that may read and write them"
        )
    except BaseExceptionGroup as errors:
        refused, others = errors.split(asyncpg.InvalidAuthorizationSpecificationError)
        if refused is None or others is not None:
            raise
        sys.exit(f"{name} ends: the database does not let us in any more")
    except asyncpg.ClientConfigurationError as error:
        sys.stderr.write(f"{name.upper()}_DATABASE_URL, or a variable PG… beside it: {error.args[0]}\n")
        sys.exit(2)


async def _migrate(package: str) -> None:
    settings = read(DatabaseSettings, prefix=f"{_name(package).upper()}_")
    revisions = Path(import_module(package).__path__[0]) / "migrations"
    url = settings.database_url.get_secret_value()
    await when_there("database", lambda: migrations.upgrade(url, revisions))


def _name(package: str) -> str:
    return package.rpartition(".")[2]
