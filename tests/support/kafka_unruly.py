"""A broker of one's own that can be killed and started again, with its data, at the same address.

SIGKILL each time: an orderly stop tells its clients, and a power cut does not.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support import kafka_maven
from tests.support.kafka_sasl import add_sasl_listener
from tests.support.kafka_settings import Broker, UnavailableError, answers, new_cluster_id
from tests.support.lifeline import Lifeline

__all__ = ["UnrulyBroker"]

_STARTUP_TIMEOUT_S = 120


class UnrulyBroker:
    """A broker from Kafka's jars.

    Args:
        environ: the environment.
        passwords: of users who may come to `sasl_servers`.

    Attributes:
        bootstrap_servers: HOST:PORT.
        sasl_servers: HOST:PORT of a listener that asks for a name and password; empty without `passwords`.
        starts: how often it was started.

    Raises:
        UnavailableError: no Java, no jars, or it does not start.
    """

    def __init__(self, environ: Mapping[str, str], *, passwords: Mapping[str, str] | None = None) -> None:
        self.starts = 0
        self._folder = Path(tempfile.mkdtemp(prefix="headrace-unruly-"))
        self._jvm = kafka_maven.jvm(environ)
        self._settings = self._folder / "server.properties"
        self._cluster_id = new_cluster_id()
        self._lifeline: Lifeline | None = None
        self.bootstrap_servers = kafka_maven.write_settings(self._settings)
        self.sasl_servers = add_sasl_listener(self._settings, passwords) if passwords else ""
        kafka_maven.format_storage(self._jvm, self._settings, self._cluster_id)

    def start(self) -> None:
        """Start it, and return when it answers; nothing where it runs already."""
        if self._lifeline is not None:
            return
        self.starts += 1
        log = Path(tempfile.mkdtemp(prefix="headrace-unruly-log-"))
        self._lifeline = Lifeline("process", str(log), *self._jvm, "kafka.Kafka", str(self._settings))
        if answers(self.bootstrap_servers, self._lifeline.holds, _STARTUP_TIMEOUT_S) != self._cluster_id:
            said = kafka_maven.last_error((log / "log").read_text(errors="replace"))
            self.kill()
            raise UnavailableError(f"the broker did not start for the {self.starts}. time: {said}")

    def kill(self) -> None:
        """Kill it; nothing where it does not run."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            lifeline.cut()

    def broker(self) -> Broker:
        """Return it as the test run's other brokers are."""
        return Broker(bootstrap_servers=self.bootstrap_servers, how="maven", startup_s=0.0, stop=self.remove)

    def remove(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
