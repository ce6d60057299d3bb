"""The secured broker of compose/secure with its roles, for the tests of this folder."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import warm
from tests.support.kafka_secure import PASSWORDS, SecureBroker
from tests.support.kafka_settings import UnavailableError

if TYPE_CHECKING:
    import subprocess


@dataclass
class Secured:
    """The broker, its users and what they said.

    Attributes:
        broker: it runs.
        folder: configurations and tables go here.
        said: all that the programs printed and logged.
    """

    broker: SecureBroker
    folder: Path
    said: list[str] = field(default_factory=list)

    def config(self, role: str, name: str = "", **sections: Any) -> Path:
        """Write the configuration with which a role comes."""
        kafka = self.broker.admin_options() if role == "admin" else self.broker.client_options(role)
        place = self.folder / (name or role)
        values = {
            "kafka": {**kafka, **sections.pop("kafka", {})},
            "spool": {"path": f"{place}-spool"},
            "dataset": {"path": str(self.folder / "table"), "state_path": f"{place}-state", "commit_interval_s": 0.3},
            "telemetry": {"log_file_path": f"{place}-log.jsonl", "enabled": True, "sampling_rate_pct": 100}
            | {"environment": "production"},
        }
        path = place.with_suffix(".json")
        path.write_text(json.dumps({**values, **sections}))
        return path

    def run(self, config: Path, *arguments: str, timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
        """Run a command as the user of a configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
        done = warm.run(*arguments, "--config", str(config), env=kept, cwd=self.folder, timeout_s=timeout_s)
        self.said += [done.stdout, done.stderr]
        return done

    def refusal(self, config: Path, *arguments: str) -> str:
        """Run a command that is to be refused; return the one line that it says beside its log."""
        done = self.run(config, *arguments)
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert line.startswith("headrace: ")
        return line.removeprefix("headrace: ")

    def password(self, role: str) -> str:
        return (self.broker.secrets / f"{role}.password").read_text().strip()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Give the broker with all roles and topics made by the commands that people make them with."""
    folder = tmp_path_factory.mktemp("secured")
    try:
        broker = SecureBroker(os.environ, folder).start()
    except UnavailableError as error:
        pytest.fail(f"These tests need a Kafka of their own, from its jars: {error}", pytrace=False)
    secured = Secured(broker, folder)
    try:
        made = secured.run(secured.config("admin"), "acls", "apply", "--passwords", str(broker.secrets))
        assert made.returncode == 0, made.stderr
        made = secured.run(secured.config("operator"), "topics", "create", "--partitions", "2")
        assert made.returncode == 0, made.stderr
        yield secured
        everything = "\n".join([*secured.said, broker.log_path.read_text(errors="replace")])
        for role in PASSWORDS:
            assert secured.password(role) not in everything, f"the password of {role} is in a log"
    finally:
        broker.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "secured" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)
            item.add_marker(pytest.mark.timeout(900))
