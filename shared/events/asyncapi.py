"""AsyncAPI 3.0 documents of the services: every topic that one reads or writes, also through its outbox.

They are made from the table of topics rather than from declared subscribers, so that what leaves through the
outbox is in them too.
"""

from typing import Any, Final

from shared.events.dead_letter import DeadLetter
from shared.events.envelope import Command, Data
from shared.events.schemas import DEAD_LETTER, Schema, component_schemas, summary
from shared.events.topics import SERVICES, Service, Topic

KAFKA_BINDING: Final = "0.5.0"


def asyncapi(service: str) -> dict[str, Any]:
    """Return the document of a service, by its name."""
    described = SERVICES[service]
    topics = [subscription.topic for subscription in described.reads]
    topics += [described.events, described.dead_letters]
    heeded = {
        subscription.topic.name: [cls.TYPE for cls in subscription.heeds] for subscription in described.reads
    }
    heeded[described.events.name] = [cls.TYPE for cls in described.events.carries]
    heeded[described.dead_letters.name] = [DEAD_LETTER]
    classes = {cls.TYPE: cls for topic in topics for cls in topic.carries if cls.TYPE in heeded[topic.name]}
    payloads, schemas = component_schemas(classes.values(), "#/components/schemas/")
    keys = {name: topic.key for topic in topics for name in heeded[topic.name]}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": service,
            "version": "1.0.0",
            "description": f"The messages that {service} reads and writes on Kafka. Major versions are in the "
            "names of types and topics; within one, only optional fields are added.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic.name: _channel(topic, heeded[topic.name]) for topic in topics},
        "operations": _operations(described, heeded),
        "components": {
            "messages": {
                name: _message(name, classes.get(name), keys[name], payload) for name, payload in payloads.items()
            },
            "schemas": schemas,
        },
    }


def _channel(topic: Topic, messages: list[str]) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by {topic.writers}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": topic.retention_ms,
                    "max.message.bytes": topic.message_bytes_max,
                },
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operations(service: Service, heeded: dict[str, list[str]]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for subscription in service.reads:
        topic = subscription.topic.name
        operations[f"receive.{topic}"] = {
            **_operation("receive", topic, heeded[topic], f"Reads {subscription.why}."),
            "bindings": {
                "kafka": {
                    "groupId": {"type": "string", "enum": [service.name]},
                    "bindingVersion": KAFKA_BINDING,
                }
            },
        }
        if any(issubclass(cls, Command) for cls in subscription.heeds):
            operations[f"receive.{topic}"]["reply"] = {"channel": {"$ref": f"#/channels/{service.events.name}"}}
    for topic, why in (
        (service.events.name, "Tells each command's outcome and what happened, through the outbox."),
        (service.dead_letters.name, "Keeps what could not be handled."),
    ):
        operations[f"send.{topic}"] = _operation("send", topic, heeded[topic], why)
    return operations


def _operation(action: str, topic: str, messages: list[str], why: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": why,
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in messages],
    }


def _message(name: str, cls: type[Data] | None, key: str, payload: Schema) -> dict[str, Any]:
    message = {
        "name": name,
        "title": name,
        "summary": summary(cls or DeadLetter),
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": KAFKA_BINDING}},
    }
    if cls is None:
        return {**message, "contentType": "application/json"}
    return {**message, "correlationId": {"location": "$message.payload#/correlationid"}}
