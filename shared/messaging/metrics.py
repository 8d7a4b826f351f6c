"""What an operator can see of the kit, as Prometheus metrics; names and labels only, never data."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Times(Collector):
    """A histogram of seconds that takes a batch of them at once, at a fifth of the cost."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = [0] * (len(_SECONDS) + 1)
        self._sum_s = 0.0
        REGISTRY.register(self)

    def observe(self, seconds: Sequence[float], each: int = 1) -> None:
        """Count each of `seconds` as so many; one before its time counts as none."""
        for one in seconds:
            self._counts[bisect_left(_SECONDS, one)] += each
            # A sum that sinks would look like a counter that began anew.
            self._sum_s += max(one, 0.0) * each

    def collect(self) -> Iterable[Metric]:
        """Show the counts, each bucket with those below it."""
        bounds = [*map(str, _SECONDS), "+Inf"]
        counts = [float(count) for count in accumulate(self._counts)]
        buckets = list(zip(bounds, counts, strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum_s)


BATCH_SIZE: Final = Histogram(
    "messaging_batch_size", "Records handled in one transaction", buckets=(1, 3, 10, 30, 100, 300, 1000, 3000)
)
BATCH_SECONDS: Final = Histogram("messaging_batch_seconds", "Time of one batch", buckets=_SECONDS)
HANDLED: Final = Counter(
    "messaging_handled_total", "Records by what became of them", ["result"]
)  # done, refused, heard, repeat, ignored, parked, dead
OUTCOME_SECONDS: Final = Times("messaging_outcome_seconds", "From a command's time to its outcome")
LAG: Final = Gauge("messaging_lag", "Records not yet handled", ["topic", "partition"])
RELAYED: Final = Counter("messaging_relayed_total", "Records acknowledged by the broker")
OUTBOX_RECORDS: Final = Gauge("messaging_outbox_records", "Records in the outbox not yet sent")
OUTBOX_AGE: Final = Gauge("messaging_outbox_age_seconds", "Age of the oldest record not yet sent")
TASKS_DUE: Final = Gauge("messaging_tasks_due", "Tasks due and not done")
TASKS_WAITING: Final = Gauge("messaging_tasks_waiting", "Tasks that are due later")
TASK_AGE: Final = Gauge("messaging_task_age_seconds", "How long the oldest due task has waited")
TASKS_UNDER_WAY: Final = Gauge("messaging_tasks_under_way", "Tasks being performed by this process")
TASK_RESULTS: Final = Counter("messaging_task_results_total", "Attempts by what came of them", ["kind", "result"])
PARKED: Final = Gauge("messaging_parked_records", "Records that wait with their key")
DEAD: Final = Gauge("messaging_dead_letters", "Dead letters not replayed or discarded", ["reason"])
LOST_CLAIMS: Final = Counter(
    "messaging_lost_claims_total", "Batches rolled back since another process had the partition or task"
)
MISSING: Final = Counter(
    "messaging_records_missing_total", "Partitions found without a record at the stored offset", ["topic"]
)
BROKER_SILENT: Final = Gauge("messaging_broker_silent_seconds", "For how long the broker has said nothing")
DATABASE_AWAY: Final = Counter(
    "messaging_database_away_total", "Times that something had to wait for the database"
)
