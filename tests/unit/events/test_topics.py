"""The table of topics, and the reasons for refusals, agree with the messages."""

from typing import get_args

import pytest

from shared.events import inbox, insurance, notifications, payments
from shared.events.envelope import Command, Event, Fact
from shared.events.publishing import MESSAGES
from shared.events.topics import MIB, SERVICES, TOPICS


def test_every_message_travels_on_one_topic() -> None:
    carried = [cls for topic in TOPICS for cls in topic.carries]
    assert len(carried) == len(set(carried)) == len(MESSAGES)


def test_commands_facts_and_events_each_have_topics_of_their_own() -> None:
    for topic in TOPICS:
        kind = Command if ".commands." in topic.name else Event if ".events." in topic.name else Fact
        assert all(issubclass(cls, kind) for cls in topic.carries), topic.name
        owner = topic.name.split(".")[0]
        owned = {cls.TYPE.split(".")[0] for cls in topic.carries}
        assert owned <= ({owner} if owner != "host" else {topic.name.split(".")[1]})


def test_a_service_heeds_only_what_its_topics_carry_and_all_of_its_commands() -> None:
    for service in SERVICES.values():
        for subscription in service.reads:
            assert set(subscription.heeds) <= set(subscription.topic.carries)
        commands = {cls for s in service.reads for cls in s.heeds if issubclass(cls, Command)}
        assert commands == {
            cls
            for cls in MESSAGES.values()
            if cls.TYPE.startswith(f"{service.name}.") and issubclass(cls, Command)
        }


def test_each_command_is_read_by_one_service() -> None:
    read = [
        cls for service in SERVICES.values() for s in service.reads for cls in s.heeds if issubclass(cls, Command)
    ]
    assert len(read) == len(set(read))


def test_every_service_can_refuse_and_has_a_place_for_what_it_cannot_handle() -> None:
    for service in SERVICES.values():
        assert f"{service.name}.command-refused.v1" in {cls.TYPE for cls in service.events.carries}
        assert service.dead_letters in TOPICS
        assert service.dead_letters.message_bytes_max == 4 * MIB


@pytest.mark.parametrize(
    ("reasons", "documented"),
    [
        pytest.param(module.RefusalReason, module.REFUSAL_REASONS, id=module.__name__.split(".")[-1])
        for module in (payments, insurance, inbox, notifications)
    ],
)
def test_every_reason_for_a_refusal_is_documented(reasons: object, documented: dict[str, str]) -> None:
    assert list(documented) == list(get_args(reasons))
    assert len(set(documented.values())) == len(documented)
