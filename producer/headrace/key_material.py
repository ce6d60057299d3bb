"""Keys by reference: `env:NAME` or `file:PATH` of 32 bytes in base64, as `openssl rand -base64 32` prints them.

A configuration names keys and never holds them, so it can be shown, logged and kept in git. Neither a key nor what was
found in its place ever reaches a message.
"""

import base64
import importlib.util
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.config import Config
from headrace.errors import ConfigError
from headrace_schemas.envelope import KEY_BYTES

__all__ = ["ProducerKeys", "keys_at_hand", "load_key", "producer_keys", "pseudonym_key", "reading_keys"]

FindModule = Callable[[str], Any]

_LARGEST_FILE: Final = 4096


@dataclass(frozen=True, slots=True, repr=False)
class ProducerKeys:
    """What a producer needs of its configuration's keys.

    Attributes:
        pseudonyms: makes pseudonyms; None: there are blanks in their place.
        dedup: makes deduplication keys; None: plain hashes.
        write_id: names `write`.
        write: encrypts; None: nothing is encrypted.
    """

    pseudonyms: bytes | None = None
    dedup: bytes | None = None
    write_id: str = ""
    write: bytes | None = None


def producer_keys(
    config: Config,
    environ: Mapping[str, str] = os.environ,
    find_module: FindModule = importlib.util.find_spec,
    *,
    encrypts: bool = True,
) -> ProducerKeys:
    """Return the keys that a producer writes with; it needs no others.

    Args:
        config: the configuration.
        environ: the environment variables.
        find_module: as `importlib.util.find_spec`.
        encrypts: False: the records stay plain, and only their deduplication keys are made as the producer's.

    Raises:
        ConfigError: a key that cannot be read or is no key, or the `cryptography` library is missing.
    """
    pseudonyms = pseudonym_key(config, environ)
    encryption = config.encryption
    if encryption.write_key is None or encryption.dedup_key is None:
        return ProducerKeys(pseudonyms)
    if not encrypts:
        return ProducerKeys(pseudonyms, load_key(encryption.dedup_key, "encryption.dedup_key", environ))
    _require_cryptography("encryption.write_key", find_module)
    write = load_key(encryption.keys[encryption.write_key], f"encryption.keys.{encryption.write_key}", environ)
    dedup = load_key(encryption.dedup_key, "encryption.dedup_key", environ)
    if write == dedup:
        raise ConfigError("encryption.dedup_key: is the same key as encryption.write_key's; make another")
    return ProducerKeys(pseudonyms, dedup, encryption.write_key, write)


def pseudonym_key(config: Config, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the key of pseudonyms, or None where none is configured.

    Raises:
        ConfigError: see `load_key`.
    """
    reference = config.redaction.pseudonym_key
    return None if reference is None else load_key(reference, "redaction.pseudonym_key", environ)


def reading_keys(
    config: Config, environ: Mapping[str, str] = os.environ, find_module: FindModule = importlib.util.find_spec
) -> dict[str, bytes]:
    """Return all keys that a consumer decrypts with, by id; none where none is configured.

    Raises:
        ConfigError: as `producer_keys`.
    """
    if not config.encryption.keys:
        return {}
    _require_cryptography("encryption.keys", find_module)
    return {
        key_id: load_key(reference, f"encryption.keys.{key_id}", environ)
        for key_id, reference in config.encryption.keys.items()
    }


def keys_at_hand(
    config: Config, environ: Mapping[str, str] = os.environ, find_module: FindModule = importlib.util.find_spec
) -> dict[str, bytes]:
    """Return those of `reading_keys` that can be loaded here: a producer's host need not have the others."""
    if find_module("cryptography") is None:
        return {}
    found = {}
    for key_id, reference in config.encryption.keys.items():
        with suppress(ConfigError):
            found[key_id] = load_key(reference, f"encryption.keys.{key_id}", environ)
    return found


def load_key(reference: str, setting: str, environ: Mapping[str, str] = os.environ) -> bytes:
    """Return the 32 bytes that a reference names.

    Args:
        reference: `env:NAME` or `file:PATH`.
        setting: the configuration's key, for messages.
        environ: the environment variables.

    Raises:
        ConfigError: nothing is there, or it is no key.
    """
    kind, _, name = reference.partition(":")
    text = _from_environment(name, setting, environ) if kind == "env" else _from_file(Path(name), setting)
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{setting}: {reference} is no key, expected {KEY_BYTES} bytes in base64; make one: openssl rand -base64 32"
        )
    return key


def _from_environment(name: str, setting: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name):
        raise ConfigError(f"{setting}: the environment variable {name} is not set; make a key: openssl rand -base64 32")
    return environ[name]


def _from_file(path: Path, setting: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read the key file {path} ({error.strerror})") from None


def _require_cryptography(setting: str, find_module: FindModule) -> None:
    if find_module("cryptography") is None:
        raise ConfigError(f"{setting}: encryption needs the cryptography library: pip install 'headrace[encryption]'")
