"""A broker from Kafka's jars: Maven fetches them once into .cache, Java runs them in KRaft mode on free ports."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.kafka_settings import (
    BROKER_SETTINGS,
    KAFKA_VERSION,
    Broker,
    UnavailableError,
    answers,
    new_cluster_id,
)
from tests.support.lifeline import LOG, Lifeline
from tests.support.once import filled_once

__all__ = ["format_storage", "jvm", "last_error", "start", "write_settings"]

_SOURCES: Final = Path(__file__).parent / "kafka"
_CACHE: Final = Path(__file__).parents[2] / ".cache" / f"kafka-{KAFKA_VERSION}"
_FORMATTED: Final = _CACHE.with_name(f"{_CACHE.name}-formatted")
_DATA: Final = "data"
_OLDEST_JAVA: Final = 17
_STARTUP_TIMEOUT_S: Final = 120
_DOWNLOAD_TIMEOUT_S: Final = 270
_ATTEMPTS: Final = 3
_INSTALL: Final = "on Debian: apt-get install openjdk-17-jre-headless maven"


def start(environ: Mapping[str, str], cache: Path = _CACHE) -> Broker:
    """Start a broker.

    Raises:
        UnavailableError: no Java, no Maven, no download, or a broker that does not start.
    """
    began = time.monotonic()
    java = jvm(environ, cache)
    for _ in range(_ATTEMPTS):  # somebody else may take a free port before the broker does
        folder = Path(tempfile.mkdtemp(prefix="headrace-kafka-"))
        cluster_id = new_cluster_id()
        settings = folder / "server.properties"
        bootstrap_servers = write_settings(settings)
        format_storage(java, settings, cluster_id)
        lifeline = Lifeline("process", str(folder), *java, "kafka.Kafka", str(settings))
        if answers(bootstrap_servers, lifeline.holds, _STARTUP_TIMEOUT_S) == cluster_id:
            took_s = time.monotonic() - began
            return Broker(bootstrap_servers=bootstrap_servers, how="maven", startup_s=took_s, stop=lifeline.cut)
        last_words = last_error((folder / LOG).read_text(errors="replace"))
        lifeline.cut()
        shutil.rmtree(folder, ignore_errors=True)
    raise UnavailableError(f"Kafka did not start, in {_ATTEMPTS} attempts: {last_words}")


def jvm(environ: Mapping[str, str], cache: Path = _CACHE) -> list[str]:
    """Return the command that runs a class of Kafka's, which is fetched first.

    Raises:
        UnavailableError: no Java, no Maven, or no download.
    """
    java = _java(environ)
    jars = filled_once(cache, lambda folder: _download(folder, environ))
    return [
        *(java, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # one small broker, soon gone
        f"-Dlog4j2.configurationFile={_SOURCES / 'log4j2.properties'}",
        *("-cp", f"{jars}/*"),
    ]


def format_storage(java: list[str], settings: Path, cluster_id: str) -> None:
    """Make the broker's data folder: a copy of what Kafka's own tool has made once, with the cluster's id."""
    formatted = filled_once(_FORMATTED, lambda folder: _format(java, folder))
    (data,) = re.findall(r"^log\.dirs=(.+)$", settings.read_text(encoding="utf-8"), re.MULTILINE)
    shutil.copytree(formatted / _DATA, data)
    properties = Path(data) / "meta.properties"
    told = re.sub(r"^cluster\.id=.*$", f"cluster.id={cluster_id}", properties.read_text(), flags=re.MULTILINE)
    properties.write_text(told)


def _format(java: list[str], folder: Path) -> None:
    settings = folder / "server.properties"
    write_settings(settings)
    tool = [*java, "kafka.tools.StorageTool", "format"]
    _run([*tool, f"--cluster-id={new_cluster_id()}", "--config", str(settings)])


def _java(environ: Mapping[str, str]) -> str:
    home = environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else shutil.which("java", path=environ.get("PATH", ""))
    if java is None:
        raise UnavailableError(f"no java on the PATH; install Java {_OLDEST_JAVA} or newer ({_INSTALL})")
    version = re.search(r'version "(\d+)', _run([java, "-version"]))
    if version is None or int(version[1]) < _OLDEST_JAVA:
        found = version[1] if version else "no version"
        raise UnavailableError(
            f"{java} is Java {found}; Kafka {KAFKA_VERSION} needs {_OLDEST_JAVA} or newer ({_INSTALL})"
        )
    return java


def _download(folder: Path, environ: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=environ.get("PATH", ""))
    if maven is None:
        raise UnavailableError(f"no mvn on the PATH to fetch Kafka's jars with; install Maven ({_INSTALL})")
    pom = shutil.copy(_SOURCES / "pom.xml", folder)
    goal = [f"-DoutputDirectory={folder}", "dependency:copy-dependencies"]
    _run([maven, "-q", "-B", "-f", str(pom), *goal], timeout_s=_DOWNLOAD_TIMEOUT_S)


def write_settings(path: Path) -> str:
    """Write a broker's settings, its data beside them; return the address it will have."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        broker, controller = (f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other))
    settings = {
        **BROKER_SETTINGS,
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(path.parent / _DATA),
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return broker


def _run(command: list[str], timeout_s: float = 120) -> str:
    program = Path(command[0]).name
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{program} was not done after {timeout_s:g} s") from None
    except OSError as error:
        raise UnavailableError(f"{command[0]}: {error.strerror}; {_INSTALL}") from None
    if done.returncode:
        raise UnavailableError(f"{program} failed: {last_error(done.stdout + done.stderr)}")
    return done.stdout + done.stderr


def last_error(output: str) -> str:
    """Return the line that says most: the first one marked as an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    marked = [line for line in lines if re.search(r"\b(ERROR|FATAL|Exception)\b", line)]
    return (marked or lines[-1:] or ["it said nothing"])[0]
