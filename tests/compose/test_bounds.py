"""Each container of compose/ and compose/secure is bounded, pinned and without rights; no Docker is asked."""

import re
from pathlib import Path

import pytest

from tests.compose.files import COMPOSE, HERE, base_image, services
from tests.compose.images import says_no_registry

PLAIN = (COMPOSE / "compose.yaml",)
SECURE = (*PLAIN, COMPOSE / "secure" / "compose.yaml")
ONCE = {"topics", "rules", "acls"}
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.-]+)?(@sha256:[0-9a-f]{64})?")
OF_NOBODY = {"10001:10001", "472:0", "appuser", "nobody"}


@pytest.mark.parametrize("files", [PLAIN, SECURE], ids=["plain", "secure"])
def test_every_container_is_bounded_pinned_and_without_rights(files: tuple[Path, ...]) -> None:
    for name, service in services(*files).items():
        assert PINNED.fullmatch(service["image"]), name
        assert service["user"] in OF_NOBODY, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert 0 < service["cpus"] <= 2, f"{name}: more than the machine has is refused"
        assert service["pids_limit"] > 0, name
        assert service["restart"] == ("on-failure" if name in ONCE else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in ONCE), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_the_consumers_own_image_and_the_webhooks_are_pinned_too() -> None:
    assert PINNED.fullmatch(base_image(COMPOSE / "Dockerfile"))
    assert PINNED.fullmatch(services(HERE / "webhook.yaml")["webhook"]["image"])


@pytest.mark.parametrize(
    "image", ["python", "python:latest", "python:3", "python:3.11-slim", "prom/prometheus:main", "kafka:4.3"]
)
def test_a_tag_that_moves_is_not_pinned(image: str) -> None:
    assert not PINNED.fullmatch(image)


@pytest.mark.parametrize(
    ("said", "is_away"),
    [
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host', True),
        ('Get "https://registry-1.docker.io/v2/": dial tcp 192.0.2.1:443: connect: connection refused', True),
        ('Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout', True),
        ("manifest for grafana/grafana:12.4.99 not found: manifest unknown: manifest unknown", False),
        ('failed to resolve reference "docker.io/grafana/grafana:12.4.99": not found', False),
        ("pull access denied for graphana, repository does not exist or may require 'docker login'", False),
        ("something that nobody has thought of", False),
    ],
)  # fmt: skip
def test_a_tag_that_no_registry_knows_is_told_from_a_registry_that_is_away(said: str, is_away: bool) -> None:
    assert says_no_registry(f"Error response from daemon: {said}\n") is is_away
