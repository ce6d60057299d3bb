"""A broker as compose/secure has it: its own settings and its own certificates, at free ports of this machine."""

import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support import kafka_maven
from tests.support.kafka_settings import BROKER_SETTINGS, UnavailableError, new_cluster_id
from tests.support.lifeline import LOG, Lifeline

__all__ = ["COMPOSE", "PASSWORDS", "SecureBroker", "make_secrets"]

COMPOSE: Final = Path(__file__).parents[2] / "compose" / "secure"
PASSWORDS: Final = ("producer", "dataset", "metrics", "rollout", "operator")
_STARTUP_TIMEOUT_S: Final = 120
_ATTEMPTS: Final = 3


def make_secrets(folder: Path, **environ: str) -> None:
    """Make the secrets that are missing in a folder, as compose/secure does."""
    done = subprocess.run(
        [str(COMPOSE / "make-secrets.sh"), str(folder)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class SecureBroker:
    """The broker; `start` starts it.

    Args:
        environ: the environment.
        folder: its data, settings and secrets go here.

    Attributes:
        secrets: the folder that make-secrets.sh has filled.
        servers: HOST:PORT for clients with a password.
        admin_servers: HOST:PORT for administrators with a certificate.
        expired_servers: as `servers`, with a certificate that is over.
        other_name_servers: as `servers`, at an address that the certificate does not name.

    Raises:
        UnavailableError: no Java, no jars, or it does not start.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._jvm = kafka_maven.jvm(environ)
        self._folder = folder
        self._lifeline: Lifeline | None = None
        self.secrets = folder / "secrets"
        make_secrets(self.secrets)
        self.servers = self.admin_servers = self.expired_servers = self.other_name_servers = ""
        self.log_path = folder / "broker.log"

    def start(self) -> "SecureBroker":
        """Format it, start it, and return when it answers."""
        cluster_id = new_cluster_id()
        for _ in range(_ATTEMPTS):  # somebody else may take a free port before the broker does
            settings = self._write_settings()
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            kafka_maven.format_storage(self._jvm, settings, cluster_id)
            folder = Path(tempfile.mkdtemp(prefix="headrace-secure-"))
            self.log_path = folder / LOG
            self._lifeline = Lifeline("process", str(folder), *self._jvm, "kafka.Kafka", str(settings))
            if self._answers(cluster_id):
                return self
            said = kafka_maven.last_error(self.log_path.read_text(errors="replace"))
            self.stop()
        raise UnavailableError(f"the secured broker did not start: {said}")

    def stop(self) -> None:
        """Kill it."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.cut()

    def admin_options(self) -> dict[str, Any]:
        """Return `kafka` of a configuration with which an administrator comes, by certificate."""
        return {
            "bootstrap_servers": self.admin_servers,
            "options": {
                "security.protocol": "SSL",
                "ssl.ca.location": str(self.secrets / "ca.pem"),
                "ssl.certificate.location": str(self.secrets / "admin.pem"),
                "ssl.key.location": str(self.secrets / "admin.key"),
            },
        }

    def client_options(self, role: str, **changes: Any) -> dict[str, Any]:
        """Return `kafka` of a configuration with which a role comes, by password."""
        return {
            "bootstrap_servers": self.servers,
            "options": {
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": str(self.secrets / "ca.pem"),
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": f"headrace-{role}",
                **changes,
            },
            "secret_options": {"sasl.password": f"file:{self.secrets / f'{role}.password'}"},
        }

    def admin(self) -> AdminClient:
        """Return an administrator's client."""
        kafka = self.admin_options()
        return AdminClient({"bootstrap.servers": kafka["bootstrap_servers"], **kafka["options"], "log_level": 0})

    def _write_settings(self) -> Path:
        values = dict(
            line.split("=", 1)
            for line in (COMPOSE / "kafka.properties").read_text(encoding="utf-8").splitlines()
            if "=" in line and not line.startswith("#")
        )
        inside, admin, controller, expired, other_name = (f"127.0.0.1:{port}" for port in _free_ports(5))
        other_name = other_name.replace("127.0.0.1", "127.0.0.2")  # the certificate does not know it
        self.servers, self.admin_servers = inside, admin
        self.expired_servers, self.other_name_servers = expired, other_name
        values |= {name: value for name, value in BROKER_SETTINGS.items() if name.startswith(("group.", "offsets."))}
        values |= {
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"INSIDE://{inside},ADMIN://{admin},CONTROLLER://{controller},"
            f"HOST://{other_name},EXPIRED://{expired}",
            "advertised.listeners": f"INSIDE://{inside},ADMIN://{admin},HOST://{other_name},EXPIRED://{expired}",
            "listener.name.expired.ssl.keystore.location": str(self._expired_keystore()),
            "listener.name.expired.scram-sha-512.sasl.jaas.config": values[
                "listener.name.inside.scram-sha-512.sasl.jaas.config"
            ],
            "listener.security.protocol.map": values["listener.security.protocol.map"] + ",EXPIRED:SASL_SSL",
            "log.dirs": str(self._folder / "data"),
        }
        text = "".join(f"{name}={value}\n" for name, value in values.items())
        settings = self._folder / "server.properties"
        settings.write_text(text.replace("/run/secrets", str(self.secrets)), encoding="utf-8")
        return settings

    def _expired_keystore(self) -> Path:
        """Sign a certificate that ended yesterday, and return it with its key in one file."""
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate, key = self._signed("headrace-kafka", address, from_days=-2, to_days=-1)
        path = self._folder / "expired.pem"
        path.write_bytes(key + certificate)
        return path

    def client_certificate(self, name: str) -> tuple[Path, Path]:
        """Have the authority sign a client's certificate of a name; return its file and its key's."""
        use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        places = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        for place, content in zip(places, self._signed(name, use, from_days=-1, to_days=1), strict=True):
            place.write_bytes(content)
        return places

    def _signed(self, name: str, extension: x509.ExtensionType, *, from_days: int, to_days: int) -> tuple[bytes, bytes]:
        """Return a certificate by the authority, and its key, both as PEM; the days are counted from now."""
        authority = x509.load_pem_x509_certificate((self.secrets / "ca.pem").read_bytes())
        signing_key: Any = serialization.load_pem_private_key((self.secrets / "ca.key").read_bytes(), None)
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=from_days))
            .not_valid_after(now + dt.timedelta(days=to_days))
            .add_extension(extension, critical=False)
            .sign(signing_key, hashes.SHA256())
        )
        encoding = serialization.Encoding.PEM
        return (
            certificate.public_bytes(encoding),
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )

    def _answers(self, cluster_id: str) -> bool:
        admin = self.admin()
        until = time.monotonic() + _STARTUP_TIMEOUT_S
        while self._lifeline is not None and self._lifeline.holds() and time.monotonic() < until:
            try:
                admin.list_topics(timeout=1)
                return str(admin.describe_cluster(request_timeout=5).result(timeout=6).cluster_id) == cluster_id
            except KafkaException:
                continue
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
