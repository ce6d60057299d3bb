"""A broker's settings with a listener more, on which clients must say who they are (SASL/PLAIN)."""

import socket
from collections.abc import Mapping
from pathlib import Path

__all__ = ["add_sasl_listener"]

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


def add_sasl_listener(settings: Path, passwords: Mapping[str, str]) -> str:
    """Add the listener to a broker's settings, and return its address.

    Args:
        settings: the file; the broker does not run yet.
        passwords: user -> password.
    """
    values = dict(line.split("=", 1) for line in settings.read_text(encoding="utf-8").splitlines())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for key in ("listeners", "advertised.listeners"):
        values[key] += f",SASL_PLAINTEXT://{address}"
    values["listener.security.protocol.map"] += ",SASL_PLAINTEXT:SASL_PLAINTEXT"
    values["sasl.enabled.mechanisms"] = "PLAIN"
    users = " ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    values["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = f"{_LOGIN} {users};"
    settings.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    return address
