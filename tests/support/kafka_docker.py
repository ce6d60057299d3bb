"""A broker in a container of the public image, by testcontainers, where a Docker engine has it or can pull it."""

import socket
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tests.support.kafka_settings import (
    BROKER_SETTINGS,
    KAFKA_VERSION,
    Broker,
    UnavailableError,
    answers,
    new_cluster_id,
)
from tests.support.lifeline import Lifeline

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

__all__ = ["start"]

_IMAGE: Final = f"apache/kafka:{KAFKA_VERSION}"
_PORT: Final = 9092
_SCRIPT: Final = "/tmp/start-kafka.sh"  # in the container
_STARTUP_TIMEOUT_S: Final = 120
_PULL_TIMEOUT_S: Final = 120
_NO_ENGINE: Final = "no Docker engine answers; start one, or set DOCKER_HOST"


def start(environ: Mapping[str, str]) -> Broker:
    """Start a broker.

    Raises:
        UnavailableError: no engine, no image, or a broker that does not start.
    """
    began = time.monotonic()
    _check_image(environ)
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # our lifeline cleans up, and needs no image to be pulled
    name = f"headrace-kafka-{uuid.uuid4().hex[:12]}"
    cluster_id = new_cluster_id()
    container = (
        DockerContainer(_IMAGE)
        .with_name(name)
        .with_exposed_ports(_PORT)
        .with_envs(CLUSTER_ID=cluster_id, **_settings())
        # The address to advertise is known once the container runs; until then it waits for the script.
        .with_command(["sh", "-c", f"while [ ! -s {_SCRIPT} ]; do sleep 0.1; done; . {_SCRIPT}"])
    )
    lifeline = Lifeline("container", name, environ=dict(environ))
    try:
        bootstrap_servers = _start(container, cluster_id)
    except UnavailableError:
        lifeline.cut()
        raise
    except Exception as error:  # the engine's, the client's and the network's, without a common root
        lifeline.cut()
        raise UnavailableError(f"a container of {_IMAGE} did not start: {_one_line(error)}") from error
    finally:
        container.get_docker_client().client.close()
    took_s = time.monotonic() - began
    return Broker(bootstrap_servers=bootstrap_servers, how="docker", startup_s=took_s, stop=lifeline.cut)


def _start(container: "DockerContainer", cluster_id: str) -> str:
    container.start()
    bootstrap_servers = f"{container.get_container_host_ip()}:{container.get_exposed_port(_PORT)}"
    listeners = f"PLAINTEXT://{bootstrap_servers},INTERNAL://localhost:19092"
    script = f"export KAFKA_ADVERTISED_LISTENERS={listeners}; exec /etc/kafka/docker/run\n"
    container.copy_into_container(script.encode(), _SCRIPT)
    running = container.get_wrapped_container()

    def alive() -> bool:
        running.reload()
        return bool(running.status == "running")

    if answers(bootstrap_servers, alive, _STARTUP_TIMEOUT_S) != cluster_id:
        said = _one_line(running.logs(tail=1).decode(errors="replace") or "it said nothing")
        raise UnavailableError(f"Kafka did not start in a container of {_IMAGE}: {said}")
    return bootstrap_servers


def _check_image(environ: Mapping[str, str]) -> None:
    import docker
    import docker.errors
    import requests

    if not _listens(environ.get("DOCKER_HOST") or docker.constants.DEFAULT_UNIX_SOCKET):
        raise UnavailableError(_NO_ENGINE)
    try:
        client = docker.from_env(environment=dict(environ), timeout=_PULL_TIMEOUT_S)
    except docker.errors.DockerException:
        raise UnavailableError(_NO_ENGINE) from None
    try:
        client.ping()
        try:
            client.images.get(_IMAGE)
        except docker.errors.ImageNotFound:
            client.images.pull(_IMAGE)
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise UnavailableError(f"{_IMAGE} is not here and cannot be pulled: {_one_line(error)}") from None
    finally:
        client.close()


def _listens(host: str) -> bool:
    """Look ourselves whether anybody is at a Unix socket: where not, docker's client leaks its own, and that warns."""
    if not host.startswith(("unix://", "http+unix://")):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/" + host.partition("://")[2].lstrip("/")) == 0


def _settings() -> dict[str, str]:
    settings = {
        **BROKER_SETTINGS,
        "listeners": f"PLAINTEXT://0.0.0.0:{_PORT},INTERNAL://localhost:19092,CONTROLLER://localhost:19093",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.quorum.voters": "1@localhost:19093",
    }
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}


def _one_line(said: object) -> str:
    return " ".join(str(said).split())[:300] or type(said).__name__
