"""Who is not let in is told why, in one line; a service goes on, and its records wait on disk."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.delivery import Pipeline
from tests.secure.conftest import Secured
from tests.support.kafka_secure import make_secrets
from tests.support.waiting import wait_until
from tests.unit.headrace.calls import captured_call

WRONG = "a-password-that-is-not-the-right-one"
PASSWORD_REFUSED = "due to invalid credentials with SASL mechanism SCRAM-SHA-512"
UNTRUSTED = "certificate verify failed"
HUNG_UP = "it hangs up on PLAINTEXT: does that listener want another security.protocol, say SASL_SSL?"
CASES = {
    "wrong password": PASSWORD_REFUSED,
    "unknown user": PASSWORD_REFUSED,
    "wrong authority": UNTRUSTED,
    "expired certificate": UNTRUSTED,
    "other name": UNTRUSTED,
    "no TLS": HUNG_UP,
}

ADMIN_CASES = {
    "no certificate": "alert (bad certificate|certificate required)",  # as the broker's Java says it
    "another authority's": "alert (certificate unknown|unknown ca)",
    "another's name": r"it lacks DESCRIBE on the cluster; come as an administrator \(super.users\)",
}


def spoilt(secured: Secured, what: str, folder: Path) -> Path:
    """Write the operator's configuration with one thing wrong."""
    kafka: dict[str, Any] = secured.broker.client_options("operator")
    if what == "wrong password":
        (folder / "wrong.password").write_text(WRONG)
        kafka["secret_options"] = {"sasl.password": f"file:{folder / 'wrong.password'}"}
    elif what == "unknown user":
        kafka["options"]["sasl.username"] = "somebody"
    elif what == "wrong authority":
        make_secrets(folder / "others")
        kafka["options"]["ssl.ca.location"] = str(folder / "others" / "ca.pem")
    elif what == "expired certificate":
        kafka["bootstrap_servers"] = secured.broker.expired_servers
    elif what == "other name":
        kafka["bootstrap_servers"] = secured.broker.other_name_servers
    elif what == "no TLS":
        kafka["options"] = {"security.protocol": "PLAINTEXT"}
        kafka["secret_options"] = {}
    path = folder / "headrace.json"
    values = {"kafka": kafka, "spool": {"path": str(folder / "spool")}, "telemetry": {"follow_control": False}}
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(("what", "why"), list(CASES.items()))
def test_a_command_ends_with_one_clear_line(secured: Secured, tmp_path: Path, what: str, why: str) -> None:
    line = secured.refusal(spoilt(secured, what, tmp_path), "topics", "check")
    assert line.startswith("kafka.bootstrap_servers: no broker answers at 127.0.0.")
    assert why in line
    assert line.endswith("check the address, that the broker runs, and kafka.options for its security")
    assert WRONG not in line


@pytest.mark.parametrize("consumer", ["dataset", "feedback", "metrics", "rollout"])
@pytest.mark.parametrize("what", ["wrong password", "wrong authority"])
def test_a_consumer_ends_with_it_too(secured: Secured, tmp_path: Path, what: str, consumer: str) -> None:
    config = json.loads(spoilt(secured, what, tmp_path).read_text())
    config["dataset"] = {"path": str(tmp_path / "table"), "state_path": str(tmp_path / "state")}
    (tmp_path / "headrace.json").write_text(json.dumps(config))
    port = ["--port", "0"] if consumer in {"metrics", "rollout"} else []
    line = secured.refusal(tmp_path / "headrace.json", "consume", consumer, *port)
    assert CASES[what] in line
    assert WRONG not in line


@pytest.mark.parametrize(("what", "why"), list(ADMIN_CASES.items()))
def test_an_administrator_without_the_right_certificate_is_told_so(
    secured: Secured, tmp_path: Path, what: str, why: str
) -> None:
    kafka = secured.broker.admin_options()
    if what == "no certificate":
        del kafka["options"]["ssl.certificate.location"], kafka["options"]["ssl.key.location"]
    elif what == "another authority's":
        make_secrets(tmp_path / "others")
        kafka["options"]["ssl.certificate.location"] = str(tmp_path / "others" / "admin.pem")
        kafka["options"]["ssl.key.location"] = str(tmp_path / "others" / "admin.key")
    elif what == "another's name":
        certificate, key = secured.broker.client_certificate("somebody")
        kafka["options"] |= {"ssl.certificate.location": str(certificate), "ssl.key.location": str(key)}
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps({"kafka": kafka}))
    assert re.search(why, secured.refusal(path, "acls", "check"))


@pytest.mark.parametrize("what", list(CASES))
def test_a_service_goes_on_and_its_records_wait(
    secured: Secured, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    pipeline = Pipeline(load(spoilt(secured, what, tmp_path), environ={}))
    with caplog.at_level(logging.INFO, "headrace"):
        taken = [pipeline.submit(captured_call(number)) for number in range(20)]
        assert all(taken)
        wait_until(lambda: pipeline.stats().spooled == 20, "every record on disk", 90)
        assert pipeline.close(30)
    stats = pipeline.stats()
    assert (stats.dropped, stats.in_flight, stats.balanced) == ({}, 0, True)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings
    assert len(warnings) == len({line.rpartition("(")[2] for line in warnings}), "each once"
    assert WRONG not in caplog.text
    assert "why 1?" not in caplog.text  # the question of the captured call
    secured.said.append(caplog.text)


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_password_file_that_holds_none_is_named_before_anybody_is_asked(
    secured: Secured, tmp_path: Path, what: str
) -> None:
    kafka = secured.broker.client_options("operator")
    kafka["secret_options"] = {"sasl.password": f"file:{tmp_path / 'password'}"}
    if what == "empty":
        (tmp_path / "password").write_text("\n")
    path = tmp_path / "headrace.json"
    path.write_text(json.dumps({"kafka": kafka}))
    done = secured.run(path, "topics", "check")
    assert done.returncode == 2
    assert done.stderr.startswith("headrace: kafka.secret_options.sasl.password: ")
    assert str(tmp_path / "password") in done.stderr
