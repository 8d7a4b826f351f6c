"""Records of one key share a shard, keys are spread over all, and rows hold them in order, none too large."""

from collections import Counter, defaultdict

import msgpack

from shared.messaging.outbox import ROW_BYTES_MAX, SHARDS, outgoing, rows


def test_records_of_one_key_share_a_shard() -> None:
    shards = {outgoing(topic, b"visit-1", value)[0] for topic in ("a", "b") for value in (b"1", b"2")}
    assert len(shards) == 1


def test_keys_are_spread_over_all_shards() -> None:
    spread = Counter(outgoing("a", f"visit-{n}".encode(), b"")[0] for n in range(8000))
    assert set(spread) == set(range(SHARDS))
    assert max(spread.values()) < 1.2 * min(spread.values())


def test_a_record_without_a_key_has_a_shard_too() -> None:
    shard, topic, key, value = outgoing("a", None, b"1")
    assert (topic, key, value) == ("a", None, b"1")
    assert shard in range(SHARDS)


def test_rows_hold_each_record_once_and_in_order_and_none_is_too_large() -> None:
    sizes = (0, 10, 100_000, 2 * ROW_BYTES_MAX, 200_000)
    keys = (None, b"", *(b"visit-%d" % n for n in range(20)))
    records = [outgoing(topic, key, b"x" * size) for size in sizes for key in keys for topic in ("a", "b")]
    asked: dict[tuple[int, str], list[object]] = defaultdict(list)
    held: dict[tuple[int, str], list[object]] = defaultdict(list)
    for shard, topic, key, value in records:
        asked[shard, topic].append([key, value])
    for shard, topic, count, packed in rows(records):
        those = msgpack.unpackb(packed)
        assert count == len(those)
        assert count == 1 or len(packed) <= ROW_BYTES_MAX
        held[shard, topic] += those
    assert held == asked
