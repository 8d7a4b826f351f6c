"""Traces that follow a message: from topic to database, outbox and task, by the `traceparent` it carries.

Off unless an OTLP endpoint is named in the environment; then `child` hands the incoming `traceparent` on, at
the cost of one `if`. Spans tell what kind of thing was done where and how it ended, never about whom: their
attributes are a fixed list, and an exception is its class without its message.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, TypedDict

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import WebAddress, read


class TelemetrySettings(BaseSettings):
    """Where spans go (`OTEL_EXPORTER_OTLP_…`): the exporter reads the variables too, and takes any text."""

    model_config = SettingsConfigDict(env_prefix="OTEL_EXPORTER_OTLP_", env_ignore_empty=True, frozen=True)

    endpoint: WebAddress | None = None
    traces_endpoint: WebAddress | None = None


class Attributes(TypedDict, total=False):
    """All that a span may tell beside its name, which is the type of the message or task."""

    outcome: str
    attempt: int


_NAMES: Final = {"outcome": "message.outcome", "attempt": "task.attempt"}
_W3C = TraceContextTextMapPropagator()

_tracer: trace.Tracer | None = None


def configure(service_name: str, processor: SpanProcessor | None = None) -> None:
    """Turn tracing on if there is somewhere to send spans to, and off if not.

    Args:
        service_name: `service.name` of all spans of this process.
        processor: takes the spans; without it they go by OTLP over HTTP to the endpoint that the standard
            variables `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` name.
    """
    global _tracer  # noqa: PLW0603  # a process is traced or it is not
    told = read(TelemetrySettings)
    if processor is None and (told.endpoint or told.traces_endpoint):
        # Imported only where it is used: it brings 6 MB along.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        processor = BatchSpanProcessor(OTLPSpanExporter())
    if processor is None:
        _tracer = None
        return
    # Not made the global provider: libraries that find one trace URLs and error messages of their own accord.
    provider = TracerProvider(resource=Resource.create({"service.name": service_name}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer(__name__)


def is_on() -> bool:
    """Tell whether there is anything to trace: a `with` that does nothing costs a tenth of a decision."""
    return _tracer is not None


def child(
    traceparent: str | None, name: str, attributes: Attributes | None = None
) -> AbstractContextManager[str | None]:
    """Trace the block as a span called `name` within the trace of `traceparent`, or as the first of a trace.

    Gives the `traceparent` that whatever the block sends shall carry: the span's, or the incoming one
    unchanged while tracing is off.
    """
    if _tracer is None:
        return nullcontext(traceparent)
    return _span(_tracer, traceparent, name, attributes or {})


def tell_outcome(outcome: str) -> None:
    """Say how the present span ended, where that is known only within it."""
    if _tracer is not None:
        trace.get_current_span().set_attribute(_NAMES["outcome"], outcome)


@contextmanager
def _span(
    tracer: trace.Tracer, traceparent: str | None, name: str, attributes: Attributes
) -> Iterator[str | None]:
    parent = _W3C.extract({"traceparent": traceparent}, Context()) if traceparent else Context()
    told = {_NAMES[key]: value for key, value in attributes.items() if key in _NAMES}
    span = tracer.start_span(name, parent, attributes=told)  # type: ignore[arg-type]  # items() forgets the types
    # An exception's message may hold anything, so neither the span's event nor its status may have it.
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        try:
            yield carrier.get("traceparent", traceparent)
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
