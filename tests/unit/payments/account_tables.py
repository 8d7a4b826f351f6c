"""The tables of payments in memory: they answer what `store` asks, so that rules see what they would be given."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from services.payments import rows, store
from services.payments.domain import Named
from services.payments.domain.account import GuarantorAccount

T = TypeVar("T")
Row = dict[str, Any]

_COLUMNS_OF: Final = re.compile(r"select (.+?) from (\w+)", re.DOTALL)
_TABLE: Final = re.compile(r"(?:insert into|^\s*update) (\w+)", re.MULTILINE)
_GIVEN: Final = re.compile(r"insert into \w+ \(([^)]*)\)|\bu\(([^)]*)\)", re.DOTALL)
_KEYS: Final = {
    "guarantor_account": ("number",),
    "visit_account": ("account_number", "number"),
    "payment": ("payment_id",),
    "posting": ("account_number", "kind", "cause_id"),
    "statement": ("account_number", "statement_id"),
    "saved_method": ("account_number", "method_id"),
    "plan": ("account_number", "plan_id"),
    "plan_history": ("seq",),
    "refund": ("account_number", "refund_id"),
    "work": ("work_id",),
    "webhook": ("event_id",),
}
_NEW: Final[dict[str, Row]] = {
    "guarantor_account": {**dict.fromkeys(rows.ACCOUNT), "version": 0, "paperless": "[]"},
    "work": {**dict.fromkeys(rows.WORK_ENDED), "status": "open"},
}
_JSON: Final = {
    *("viewers", "paperless", "allocation", "visits", "method", "consent", "instalments", "about", "details")
}


def _of_account(row: Row, numbers: list[str]) -> bool:
    return row["account_number"] in numbers


_WANTED: Final[dict[str, Callable[..., bool]]] = {
    "guarantor_account": lambda row, numbers: row["number"] in numbers,
    "visit_account": _of_account,
    "payment": lambda row, numbers, ids, reviews: (
        (_of_account(row, numbers) and row["status"] in ("processing", "unknown"))
        or row["payment_id"] in ids
        or row["review_id"] in reviews
    ),
    "posting": lambda row, *keys: tuple(row[name] for name in _KEYS["posting"]) in zip(*keys, strict=True),
    "statement": lambda row, numbers, ids: (
        _of_account(row, numbers) and (not row["told"] or row["statement_id"] in ids)
    ),
    "saved_method": _of_account,
    "plan": lambda row, numbers, ids: (
        _of_account(row, numbers) and (row["status"] in ("active", "paused") or row["plan_id"] in ids)
    ),
    "refund": _of_account,
    "work": lambda row, ids: row["work_id"] in ids,
    "webhook": lambda row, ids: row["event_id"] in ids,
}
"""What the statements of `store` look for, by table."""


def run(asked: Coroutine[Any, Any, T]) -> T:
    """Return what comes of a coroutine that waits for nothing."""
    try:
        asked.send(None)
    except StopIteration as end:
        found: T = end.value
        return found
    raise AssertionError("it waits")


class Tables:
    """A connection to them."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)

    def all(self, name: str) -> list[Row]:
        return list(self._rows[name].values())

    async def fetch(self, sql: str, *given: Any) -> list[tuple[Any, ...]]:
        found = _COLUMNS_OF.search(sql)
        assert found is not None
        names, table = found[1].split(", "), found[2]
        if table not in _WANTED:
            return []  # what other guests have tried: nothing
        return [tuple(row[name] for name in names) for row in self.all(table) if _WANTED[table](row, *given)]

    async def fetchval(self, _: str, *__: Any) -> None:
        return None

    async def copy_records_to_table(self, name: str, *, records: list[Any], columns: tuple[str, ...]) -> None:
        for values in records:
            row = {"seq": len(self._rows[name]), **dict(zip(columns, values, strict=True))}
            assert self._key(name, row) not in self._rows[name], f"{name} is there already: {row}"
            self._put(name, row)

    async def execute(self, sql: str, *columns: Any) -> None:
        table, given = _TABLE.search(sql), _GIVEN.search(sql)
        assert table is not None
        assert given is not None
        names = re.split(r",\s+", given[1] or given[2])
        for values in zip(*columns, strict=True):
            row = dict(zip(names, values, strict=True))
            known = self._rows[table[1]].get(self._key(table[1], row))
            match table[1]:
                case "work" if given[1] and known:
                    if known["status"] == "settled":
                        self._put("work", {**_NEW["work"], **known, **row, "status": "open"})
                case "work" if not given[1]:
                    if known and known["status"] == "open":
                        self._put("work", {**row, "status": "settled"})
                case "guarantor_account" if known and len(row) == 1:
                    pass
                case _:
                    self._put(table[1], row)

    def whole(self, number: str) -> GuarantorAccount:
        """Return all that is kept of an account, and not only what a message names."""
        every = {number}
        named = Named(
            accounts=every,
            with_statements=every,
            statement_ids=[one["statement_id"] for one in self.of_account("statement", number)],
            with_methods=every,
            with_plans=every,
            plan_ids=[one["plan_id"] for one in self.of_account("plan", number)],
            with_refunds=every,
            payments=[(number, one["payment_id"]) for one in self.of_account("payment", number)],
            postings=[(number, one["kind"], one["cause_id"]) for one in self.of_account("posting", number)],
            work_ids=[one["work_id"] for one in self.all("work") if one["key"] == number],
            event_ids=[one["event_id"] for one in self.of_account("webhook", number)],
        )
        connection: Any = self
        return run(store.read(connection, named, store.READ_ACCOUNTS)).get(number) or GuarantorAccount(number)

    def of_account(self, name: str, number: str) -> list[Row]:
        return [one for one in self.all(name) if _of_account(one, [number])]

    def _key(self, name: str, row: Row) -> tuple[Any, ...]:
        return tuple(row[column] for column in _KEYS[name])

    def _put(self, name: str, row: Row) -> None:
        """Keep a row, with its JSON as the database would write it."""
        known = self._rows[name].setdefault(self._key(name, row), dict(_NEW.get(name, {})))
        for column, value in row.items():
            known[column] = json.dumps(json.loads(value)) if column in _JSON and value is not None else value
