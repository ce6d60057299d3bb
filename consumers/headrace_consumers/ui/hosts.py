"""By which names a browser may ask for the page. Pure.

A page of somebody else's could let its own name point to 127.0.0.1, and read ours in the user's browser as if it were
its own (DNS rebinding). The Host header then has that name. An address in numbers cannot be let point elsewhere.
"""

import ipaddress
from collections.abc import Iterable

__all__ = ["is_loopback", "is_ours"]


def is_ours(host: str, names: Iterable[str]) -> bool:
    """Tell whether a Host header names us.

    Args:
        host: the header, with a port or without.
        names: what we are called, beside localhost and any address in numbers.
    """
    name = _without_port(host.strip()).rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name in {each.rstrip(".").lower() for each in names}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine reaches an address that is listened on."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
