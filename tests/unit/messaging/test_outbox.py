"""Records of one key share a shard, and keys are spread over all of them."""

from collections import Counter

from shared.messaging.outbox import SHARDS, outgoing


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
