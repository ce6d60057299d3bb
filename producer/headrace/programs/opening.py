"""The registry that a configuration names."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.config import Config
from headrace.errors import ConfigError
from headrace.key_material import load_key
from headrace.programs.blobs import Blobs, LocalBlobs
from headrace.programs.registry import ProgramRegistry
from headrace.programs.signing import Signer, Verifier

__all__ = ["open_registry", "require_cryptography", "verifier_of"]


def open_registry(
    config: Config,
    environ: Mapping[str, str] = os.environ,
    find_module: Callable[[str], Any] = importlib.util.find_spec,
) -> ProgramRegistry:
    """Return the registry at `registry.path`, with its keys. Nothing is read or written yet.

    A service has no use for `registry.signing_key`, and should not be given it.

    Raises:
        ConfigError: no path, a key that cannot be read, or a library that is missing.
    """
    section = config.registry
    if section.path is None:
        raise ConfigError("registry.path: not set; a folder or an address such as s3://bucket/programs is expected")
    is_address = "://" in section.path
    if is_address:
        from headrace.programs.object_blobs import ObjectBlobs

        blobs: Blobs = ObjectBlobs(section.path, section.storage_options)
    else:
        # Other users' services read it; what keeps writers out is the folder's own mode.
        blobs = LocalBlobs(Path(section.path), mode=0o644)
    signer = None
    if section.signing_key is not None:
        require_cryptography(find_module)
        signer = Signer(load_key(section.signing_key, "registry.signing_key", environ))
    return ProgramRegistry(blobs, signer=signer, verifier=verifier_of(config, environ, find_module))


def verifier_of(
    config: Config,
    environ: Mapping[str, str] = os.environ,
    find_module: Callable[[str], Any] = importlib.util.find_spec,
) -> Verifier | None:
    """Return what checks signatures; None where no key is configured, and unsigned programs are accepted.

    Raises:
        ConfigError: a key that cannot be read, or a library that is missing.
    """
    references = config.registry.verify_keys
    if not references:
        return None
    require_cryptography(find_module)
    return Verifier([load_key(each, f"registry.verify_keys[{at}]", environ) for at, each in enumerate(references)])


def require_cryptography(find_module: Callable[[str], Any] = importlib.util.find_spec) -> None:
    """See to it that signatures can be made and checked.

    Raises:
        ConfigError: the library is missing.
    """
    if find_module("cryptography") is None:
        raise ConfigError("registry: signatures need the cryptography library: pip install 'headrace[encryption]'")
