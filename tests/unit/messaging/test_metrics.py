"""Times that are counted many at once."""

from prometheus_client import REGISTRY

from shared.messaging.metrics import Times


def test_what_comes_before_its_time_counts_as_no_time_so_that_the_sum_never_sinks() -> None:
    times = Times("counted_seconds", "Of this test")

    times.observe([1.5], each=3)
    times.observe([-5.0, 0.5])

    assert REGISTRY.get_sample_value("counted_seconds_count") == 5
    assert REGISTRY.get_sample_value("counted_seconds_sum") == 5.0
