from collections.abc import Iterator
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shared import telemetry

INCOMING = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry.configure("payments", SimpleSpanProcessor(exporter))
    yield exporter
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    telemetry.configure("payments")


def test_two_hops_form_one_trace(spans: InMemorySpanExporter) -> None:
    with telemetry.child(None, "decide", {"attempt": 1}) as first:
        pass
    with telemetry.child(first, "perform", {"attempt": 2}) as second:
        pass
    decide, perform = spans.get_finished_spans()
    assert decide.parent is None
    assert perform.parent is not None
    assert perform.parent.span_id == decide.context.span_id
    assert perform.context.trace_id == decide.context.trace_id
    assert second is not None
    assert second.startswith(f"00-{decide.context.trace_id:032x}-{perform.context.span_id:016x}-")


def test_an_incoming_trace_is_continued(spans: InMemorySpanExporter) -> None:
    with telemetry.child(INCOMING, "decide") as outgoing:
        pass
    assert outgoing is not None
    assert outgoing.split("-")[1] == INCOMING.split("-")[1]
    assert outgoing != INCOMING
    assert spans.get_finished_spans()[0].resource.attributes["service.name"] == "payments"


def test_a_malformed_traceparent_begins_a_new_trace(spans: InMemorySpanExporter) -> None:
    with telemetry.child("not a traceparent", "decide"):
        pass
    assert spans.get_finished_spans()[0].parent is None


def test_a_block_within_another_belongs_to_its_own_messages_trace(spans: InMemorySpanExporter) -> None:
    with telemetry.child(None, "outer"), telemetry.child(INCOMING, "inner"), telemetry.child(None, "core"):
        pass
    core, inner, outer = spans.get_finished_spans()
    assert f"{inner.context.trace_id:032x}" == INCOMING.split("-")[1]
    assert core.parent is None
    assert len({span.context.trace_id for span in (core, inner, outer)}) == 3


def test_a_span_tells_only_what_is_on_the_list(spans: InMemorySpanExporter) -> None:
    attributes: telemetry.Attributes = {"attempt": 3}
    careless = cast("telemetry.Attributes", attributes | cast("Any", {"last_name": "Doe"}))
    with telemetry.child(None, "decide", careless):
        telemetry.tell_outcome("refused")
    told = dict(spans.get_finished_spans()[0].attributes or {})
    assert told == {"task.attempt": 3, "message.outcome": "refused"}


def test_an_exception_is_told_by_its_class_alone(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="4111"), telemetry.child(None, "decide"):
        raise ValueError("card 4111111111111111 is not valid")
    span = spans.get_finished_spans()[0]
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "ValueError"
    assert "4111" not in span.to_json()


def test_while_off_the_traceparent_is_handed_on_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    telemetry.configure("payments")
    with telemetry.child(INCOMING, "decide") as outgoing:
        telemetry.tell_outcome("done")
    assert outgoing == INCOMING
    with telemetry.child(None, "decide") as outgoing:
        pass
    assert outgoing is None
