"""Who may see a consumer's page: tokens, certificates, and what changes while it is served."""

import base64
import datetime as dt
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headrace.config import load
from headrace.errors import ConfigError
from headrace_consumers.monitoring.guard import Guard, token
from headrace_consumers.monitoring.server import Answer, of_json, serve
from headrace_consumers.top.targets import of_config

TOKEN = "a-token-that-nobody-guesses"
NEXT = "the-token-that-comes-after-it"


def config_of(**web: Any) -> Any:
    return load(None, {"web": web}, {})


def certificate(folder: Path, name: str, stem: str = "web") -> tuple[Path, Path]:
    """Write a certificate that signs itself, for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / f"{stem}.pem", folder / f"{stem}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, private


@pytest.fixture
def served() -> Iterator[Any]:
    """Serve a page behind a guard; give the port."""
    with ExitStack() as running:

        def answer(path: str, accept: str) -> Answer:
            del accept
            return of_json(503 if path == "/readyz" else 200, {"path": path, "partitions": {"0": 17}})

        def start(guard: Guard | None) -> int:
            return running.enter_context(
                serve(answer, "127.0.0.1", 0, setting="metrics.port", host_setting="metrics.host", guard=guard)
            )

        yield start


def get(port: int, path: str, authorization: str = "", context: ssl.SSLContext | None = None) -> tuple[int, Any, Any]:
    if context is None:
        connection = http.client.HTTPConnection("localhost", port, timeout=10)
    else:
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body, answer.headers


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic("ann", TOKEN), basic("", TOKEN)]
)
def test_who_has_the_token_sees_the_page(served: Any, authorization: str) -> None:
    port = served(Guard(config_of(token="env:PAGE_TOKEN"), {"PAGE_TOKEN": TOKEN}))
    assert get(port, "/metrics", authorization)[:2] == (200, {"path": "/metrics", "partitions": {"0": 17}})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        TOKEN,
        f"Digest {TOKEN}",
        basic(TOKEN, ""),
        "Basic !",
        "Basic ä",
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/metrics?look", "/other"])
def test_who_has_it_not_is_told_how_to_ask_and_nothing_else(served: Any, authorization: str, path: str) -> None:
    port = served(Guard(config_of(token="env:PAGE_TOKEN"), {"PAGE_TOKEN": TOKEN}))
    status, body, headers = get(port, path, authorization)
    assert (status, body) == (401, {"problems": ["this page needs the token of web.token"]})
    assert headers["WWW-Authenticate"].startswith("Basic ")


def test_probes_need_no_token_and_are_told_yes_or_no_only(served: Any) -> None:
    port = served(Guard(config_of(token="env:PAGE_TOKEN"), {"PAGE_TOKEN": TOKEN}))
    assert get(port, "/healthz")[:2] == (200, {"ok": True})
    assert get(port, "/readyz")[:2] == (503, {"ok": False})
    assert get(port, "/healthz", f"Bearer {TOKEN}")[1]["partitions"] == {"0": 17}


def test_tokens_change_while_it_is_served_and_both_hold_meanwhile(served: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    port = served(Guard(config_of(token=f"file:{path}")))
    assert get(port, "/metrics", f"Bearer {NEXT}")[0] == 401
    path.write_text(f"{TOKEN}\n{NEXT}\n")
    assert {get(port, "/metrics", f"Bearer {each}")[0] for each in (TOKEN, NEXT)} == {200}
    path.write_text(f"{NEXT}\n")
    assert get(port, "/metrics", f"Bearer {TOKEN}")[0] == 401
    assert get(port, "/metrics", f"Bearer {NEXT}")[0] == 200
    path.unlink()  # lost, or just being replaced
    assert get(port, "/metrics", f"Bearer {NEXT}")[0] == 200
    path.write_text("short")
    assert get(port, "/metrics", "Bearer short")[0] == 401


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "holds no token"),
        ("\n \n", "holds no token"),
        (f"{TOKEN}\nshort\n", "holds a token of less than 16 characters"),
        (None, "(No such file or directory)"),
    ],
)
def test_what_is_no_token_is_an_error_at_the_start(tmp_path: Path, content: str | None, expected: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        Guard(config_of(token=f"file:{path}"))
    assert str(caught.value).startswith("web.token: ")
    assert expected in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_with_a_certificate_all_is_encrypted_and_another_takes_its_place_while_it_is_served(
    served: Any, tmp_path: Path
) -> None:
    pem, key = certificate(tmp_path, "first")
    port = served(Guard(config_of(certificate=str(pem), key=str(key))))
    first = ssl.create_default_context(cafile=str(pem))
    assert get(port, "/metrics", context=first)[0] == 200
    other_pem, other_key = certificate(tmp_path, "second", "other")
    second = ssl.create_default_context(cafile=str(other_pem))
    with pytest.raises(ssl.SSLCertVerificationError):
        get(port, "/metrics", context=second)
    other_pem.replace(pem)  # half of the way: the pair does not fit, and the former one holds
    assert get(port, "/metrics", context=first)[0] == 200
    other_key.replace(key)
    assert get(port, "/metrics", context=second)[0] == 200


def test_who_speaks_no_tls_or_nothing_holds_up_nobody(served: Any, tmp_path: Path) -> None:
    pem, key = certificate(tmp_path, "web")
    port = served(Guard(config_of(certificate=str(pem), key=str(key))))
    with socket.create_connection(("127.0.0.1", port)) as silent:
        with pytest.raises((http.client.HTTPException, OSError)):
            get(port, "/metrics")
        assert get(port, "/metrics", context=ssl.create_default_context(cafile=str(pem)))[0] == 200
        del silent


@pytest.mark.parametrize("what", ["missing", "no PEM", "another key"])
def test_a_certificate_that_cannot_be_used_is_one_line_at_the_start(tmp_path: Path, what: str) -> None:
    pem, key = certificate(tmp_path, "web")
    if what == "missing":
        key.unlink()
    elif what == "no PEM":
        pem.write_text("no certificate")
    else:
        certificate(tmp_path, "other", "other")[1].replace(key)
    with pytest.raises(ConfigError, match=r"^web\.certificate, web\.key: .*web\.pem"):
        Guard(config_of(certificate=str(pem), key=str(key)))


@pytest.mark.parametrize("web", [{"certificate": "a"}, {"key": "a"}])
def test_a_certificate_and_its_key_come_together(web: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="one is set and the other is not"):
        config_of(**web)


def test_without_a_guard_everybody_sees_everything(served: Any) -> None:
    assert get(served(None), "/metrics")[0] == 200
    assert get(served(Guard(config_of())), "/readyz")[1]["partitions"] == {"0": 17}


def test_who_asks_by_the_configuration_asks_with_the_newest_token_over_tls(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n{NEXT}\n")
    config = config_of(token=f"file:{path}", certificate="web.pem", key="web.key")
    assert token(config) == NEXT
    (target, *_) = of_config(config, token(config))
    assert target.url.startswith("https://127.0.0.1:9464/")
    assert target.authorization == f"Bearer {NEXT}"
    assert NEXT not in repr(target)
    assert token(config_of()) == ""
