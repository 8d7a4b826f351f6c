"""Kafka behind TLS and a password: the kit works through it, and says what is wrong when it is not let in."""

from collections.abc import Iterator
from typing import Any

import pytest

from local.infrastructure import Endpoints
from shared.messaging.broker import RefusedError, reach
from shared.settings import KafkaSettings
from tests.flow.kit import feedback, ids
from tests.flow.secure_broker import PASSWORD, USERNAME, SecureBroker, secure_broker

NO_LOGIN = dict.fromkeys(("sasl_mechanism", "sasl_username", "sasl_password"))


@pytest.fixture(name="broker", scope="module")
def running_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    with secure_broker(tmp_path_factory.mktemp("secure-kafka")) as broker:
        yield broker


def settings(broker: SecureBroker, **changed: Any) -> KafkaSettings:
    right: dict[str, Any] = {
        "bootstrap_servers": broker.address,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USERNAME,
        "sasl_password": PASSWORD,
        "ssl_cafile": broker.authority,
    }
    return KafkaSettings(**right | changed)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_commands_and_outcomes_go_through_tls_with_a_password(
    infrastructure: Endpoints, broker: SecureBroker, mechanism: str
) -> None:
    async with feedback(infrastructure, kafka=settings(broker, sasl_mechanism=mechanism)) as world:
        await reach(world.kafka)
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        commands = [world.leave("visit-1", f"f-{n}") for n in range(10)]
        await world.publish(*commands)
        await world.settled()
        assert ids(await world.outcomes()) == ids(commands, "id")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"sasl_password": "wrong"}, "SaslAuthenticationFailed"),
        ({"sasl_mechanism": "PLAIN", "sasl_password": "wrong"}, "SaslAuthenticationFailed"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "UnsupportedSaslMechanismError"),
        ({"ssl_cafile": None}, "CERTIFICATE_VERIFY_FAILED"),
        ({"security_protocol": "SSL", **NO_LOGIN}, "KAFKA_SECURITY_PROTOCOL"),
        ({"security_protocol": "PLAINTEXT", **NO_LOGIN, "ssl_cafile": None}, "KAFKA_SECURITY_PROTOCOL"),
    ],
)
async def test_who_is_not_let_in_is_told_why(broker: SecureBroker, changed: dict[str, Any], why: str) -> None:
    with pytest.raises(RefusedError, match=why) as told:
        await reach(settings(broker, **changed))
    assert PASSWORD not in str(told.value)


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(broker: SecureBroker) -> None:
    with pytest.raises(RefusedError, match="CERTIFICATE_VERIFY_FAILED"):
        await reach(settings(broker, ssl_cafile=broker.stranger))


async def test_a_broker_without_tls_is_told_from_one_that_is_away(infrastructure: Endpoints) -> None:
    with pytest.raises(RefusedError, match="KAFKA_SECURITY_PROTOCOL"):
        await reach(KafkaSettings(bootstrap_servers=infrastructure.kafka, security_protocol="SSL"))


async def test_a_broker_that_is_not_there_is_not_taken_to_refuse() -> None:
    with pytest.raises(ConnectionRefusedError):
        await reach(KafkaSettings(bootstrap_servers="127.0.0.1:1"))


async def test_one_bootstrap_server_that_is_there_is_enough(broker: SecureBroker) -> None:
    await reach(settings(broker, bootstrap_servers=f"127.0.0.1:1,{broker.address}"))
