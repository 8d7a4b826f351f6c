"""The operators' tool: dead letters and parked keys of a service, and the contract's topics.

    python -m shared.messaging list --service payments [--reason R]
    python -m shared.messaging show --service payments --id ID
    python -m shared.messaging replay --service payments (--id ID … | --reason R | --all) [--dry-run]
    python -m shared.messaging discard --service payments (--id ID … | --reason R | --all) --why TEXT [--dry-run]
    python -m shared.messaging create-topics [--replication N]

It reads `<SERVICE>_DATABASE_URL`, or the secret of that name, or the `endpoints.json` that `make up` writes
into `LOCAL_DIR`. A replay is done by the running service; this tool asks for it and returns at once.
"""

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
from aiokafka.errors import KafkaError

from shared.database import AWAY, SESSION, Connection
from shared.events.topics import SERVICES, TOPICS
from shared.messaging import broker, dead_letters, topics
from shared.settings import DatabaseSettings, KafkaSettings, has_secret, read


def main() -> None:
    """Run one command; an error is one line and a status that is not 0."""
    arguments = _parser().parse_args()
    making = arguments.command == "create-topics"
    try:
        asyncio.run(_create_topics(arguments.replication) if making else _with_database(arguments))
    except broker.RefusedError as error:
        sys.exit(str(error))
    except AWAY as error:
        sys.exit(f"{'Kafka' if making else 'the database'} cannot be reached: {type(error).__name__}")
    except (asyncpg.PostgresError, KafkaError) as error:
        sys.exit(f"{'Kafka' if making else 'the database'} refuses: {type(error).__name__}")


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m shared.messaging", description="Dead letters and topics.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("list", "list dead letters and parked keys"),
        ("show", "show one dead letter whole"),
        ("replay", "have dead letters handled again"),
        ("discard", "give dead letters up"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--service", required=True, choices=sorted(SERVICES))
        if name == "show":
            command.add_argument("--id", required=True)
            continue
        if name == "list":
            command.add_argument("--reason", help="those with this reason")
            continue
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--id", nargs="+", action="extend", default=[], help="those with these ids")
        which.add_argument("--reason", help="those with this reason")
        which.add_argument("--all", action="store_true", help="all of them")
        command.add_argument("--dry-run", action="store_true", help="only say which they would be")
        if name == "discard":
            command.add_argument("--why", required=True, type=_words, help="kept with them")
    create = commands.add_parser("create-topics", help="make the contract's topics that are missing")
    create.add_argument("--replication", type=int, default=1)
    return parser


def _words(told: str) -> str:
    if not told.strip():
        raise argparse.ArgumentTypeError("say why")
    return told


async def _create_topics(replication: int) -> None:
    kafka = read(KafkaSettings)
    await broker.reach(kafka)
    made = await topics.create(kafka.connection(), TOPICS, replication=replication)
    _say(f"{len(made)} topics made, {len(TOPICS) - len(made)} were there")


def _database_url(service: str) -> str:
    prefix = f"{service.upper()}_"
    if os.environ.get(f"{prefix}DATABASE_URL") or has_secret(f"{service}_database_url"):
        return read(DatabaseSettings, prefix=prefix).database_url.get_secret_value()
    endpoints = Path(os.environ.get("LOCAL_DIR", ".local")) / "endpoints.json"
    try:
        return str(json.loads(endpoints.read_text())["databases"][service])
    except (OSError, KeyError, ValueError):
        sys.exit(f"neither {prefix}DATABASE_URL is set nor does {endpoints} name the database")


async def _with_database(arguments: argparse.Namespace) -> None:
    connection = await asyncpg.connect(_database_url(arguments.service), timeout=10, server_settings=SESSION)
    try:
        match arguments.command:
            case "list":
                await _list(connection, arguments.reason)
            case "show":
                await _show(connection, arguments.service, arguments.id)
            case _:
                await _change(connection, arguments)
    finally:
        await connection.close()


async def _list(connection: Connection, reason: str | None) -> None:
    number = 0
    async for letters in dead_letters.pages(connection, reason=reason):
        number += len(letters)
        for letter in letters:
            _say(
                f"{letter.id}  {letter.reason:<16} {letter.place}"
                f"  attempts {letter.attempts}  {letter.state}  since {letter.first_seen_at:%Y-%m-%d %H:%M}"
            )
    parked = await dead_letters.parked_keys(connection)
    for key in parked:
        _say(f"parked  {key['reason']:<16} {key['topic']}  {key['records']} records  attempts {key['attempts']}")
    _say(f"{number} dead letters, {len(parked)} parked keys")


async def _show(connection: Connection, service: str, identity: str) -> None:
    letter = await dead_letters.whole(connection, identity)
    if letter is None:
        sys.exit(f"no such dead letter: {identity}")
    _say(json.dumps(dead_letters.told(service, letter), indent=2))


async def _change(connection: Connection, arguments: argparse.Namespace) -> None:
    if arguments.id:
        known = {letter.id async for page in dead_letters.pages(connection, ids=arguments.id) for letter in page}
        if unknown := set(arguments.id) - known:
            sys.exit(f"no such dead letter: {', '.join(sorted(unknown))}")
    ids: list[str] = []
    async for letters in dead_letters.pages(connection, ids=arguments.id, reason=arguments.reason):
        dead = [letter.id for letter in letters if letter.state == "dead"]
        if not arguments.dry_run:
            if arguments.command == "replay":
                now = datetime.now(UTC)  # noqa: TID251  # an edge: due at once
                await dead_letters.ask_replay(connection, dead, now)
            else:
                await dead_letters.discard(connection, dead, arguments.why)
        ids += dead
    for identity in ids:
        _say(identity)
    would = "would be " if arguments.dry_run else ""
    done = "replayed" if arguments.command == "replay" else "discarded"
    _say(f"{len(ids)} dead letters {would}{done}")


def _say(line: Any) -> None:
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough, as `head` does; what was asked for is done to its end all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
