"""Passwords and certificates take the place of others while the system runs."""

import json
import socket
import ssl
from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from cryptography import x509

from tests.secure.conftest import Secured
from tests.support.kafka_secure import make_secrets
from tests.support.metrics_consumer import MetricsConsumer, ask
from tests.support.waiting import wait_until

NEW = "another-password-of-sufficient-length"


def test_a_new_password_lets_who_is_connected_stay_and_who_comes_anew_needs_it(
    secured: Secured, tmp_path: Path
) -> None:
    role = "metrics"
    old, new = secured.broker.secrets / f"{role}.password", tmp_path / f"{role}.password"
    new.write_text(NEW)
    values = json.loads(secured.config(role, "rotated").read_text())
    running = MetricsConsumer(tmp_path, values)
    running.start()
    admin = secured.config("admin")
    try:
        wait_until(lambda: ask(running.port, "/readyz")[0] == 200, "the consumer to be ready", 60)
        applied = secured.run(admin, "acls", "apply", "--role", role, "--passwords", str(tmp_path))
        assert applied.returncode == 0, applied.stderr
        refused = secured.refusal(secured.config(role), "topics", "check")
        assert "invalid credentials" in refused
        assert ask(running.port, "/readyz")[0] == 200
        values["kafka"]["secret_options"] = {"sasl.password": f"file:{new}"}
        running.path.write_text(json.dumps(values))
        assert running.stop() == 0
        running.start()
        wait_until(lambda: ask(running.port, "/readyz")[0] == 200, "the consumer to be ready again", 60)
        assert NEW not in running.log.read_text()
        assert old.read_text().strip() not in running.log.read_text()
    finally:
        running.kill()
        again = secured.run(admin, "acls", "apply", "--role", role, "--passwords", str(secured.broker.secrets))
        assert again.returncode == 0


def serial_of(secured: Secured) -> int:
    host, port = secured.broker.servers.split(":")
    context = ssl.create_default_context(cafile=str(secured.broker.secrets / "ca.pem"))
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"").serial_number


@pytest.mark.parametrize("listener", ["inside"])
def test_the_broker_takes_a_new_certificate_without_a_restart(secured: Secured, listener: str) -> None:
    before = serial_of(secured)
    secrets = secured.broker.secrets
    kept = {name: (secrets / name).read_bytes() for name in ("kafka.pem", "kafka.key", "kafka-keystore.pem")}
    assert kept
    (secrets / "kafka.pem").unlink()
    make_secrets(secrets)
    place = secrets / "kafka-keystore.pem"
    assert serial_of(secured) == before
    # What kafka-configs.sh does: the file's name is new, or it is the same and its date is.
    entry = ConfigEntry(
        f"listener.name.{listener}.ssl.keystore.location", str(place), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
    admin = secured.broker.admin()
    (altered,) = admin.incremental_alter_configs([resource], request_timeout=20).values()
    altered.result()
    wait_until(lambda: serial_of(secured) != before, "the new certificate", 30)
    operator = secured.config("operator")
    wait_until(lambda: secured.run(operator, "topics", "check").returncode == 0, "an answer by it", 120)
