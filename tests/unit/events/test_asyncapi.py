"""The AsyncAPI documents hold together and show every topic that a service reads or writes."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from shared.events.asyncapi import asyncapi
from shared.events.topics import SERVICES, Service


@cache
def document_of(service: str) -> dict[str, Any]:
    return asyncapi(service)


each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for item in part:
            yield from references(item)


@each_service
def test_a_document_is_an_asyncapi_document_in_plain_json(service: Service) -> None:
    document = document_of(service.name)
    assert json.loads(json.dumps(document)) == document
    read = ApplicationSchema.model_validate(document)
    assert read.asyncapi == "3.0.0"
    assert set(read.operations) == set(document["operations"])


@each_service
def test_every_reference_leads_to_something(service: Service) -> None:
    document = document_of(service.name)
    for reference in references(document):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found, reference


@each_service
def test_what_it_reads_is_received_and_what_it_tells_is_sent(service: Service) -> None:
    operations = document_of(service.name)["operations"]
    expected = {f"receive.{s.topic.name}": {cls.TYPE for cls in s.heeds} for s in service.reads}
    expected[f"send.{service.events.name}"] = {cls.TYPE for cls in service.events.carries}
    expected[f"send.{service.dead_letters.name}"] = {"dead-letter"}
    named = {
        name: {message["$ref"].rpartition("/")[2] for message in operation["messages"]}
        for name, operation in operations.items()
    }
    assert named == expected
    assert all(name.startswith(operation["action"]) for name, operation in operations.items())


@each_service
def test_commands_are_answered_on_the_topic_of_events(service: Service) -> None:
    operations = document_of(service.name)["operations"]
    answered = {name for name, operation in operations.items() if "reply" in operation}
    assert answered == {f"receive.{service.name}.commands.v1"}
    reply = operations[answered.pop()]["reply"]["channel"]["$ref"]
    assert reply == f"#/channels/{service.events.name}"


@each_service
def test_a_message_is_documented_with_its_key_and_its_data(service: Service) -> None:
    document = document_of(service.name)
    for subscription in service.reads:
        for cls in subscription.heeds:
            message = document["components"]["messages"][cls.TYPE]
            assert message["bindings"]["kafka"]["key"]["description"] == subscription.topic.key
            schema = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
            assert schema["properties"]["type"]["const"] == cls.TYPE
            assert {"specversion", "id", "type", "data"} <= set(schema["required"])
