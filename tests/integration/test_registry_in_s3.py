"""The registry of program versions in a real S3-compatible server: written once, found, and never replaced."""

import uuid
from typing import Any

import pytest

from headrace.config import load
from headrace.programs import ProgramRegistry, open_registry
from headrace_schemas.programs import ProgramError
from tests.unit.headrace.programs.test_registry import program


@pytest.fixture
def registry(s3: Any) -> ProgramRegistry:
    section = {"path": s3.uri(uuid.uuid4().hex), "storage_options": s3.options()}
    return open_registry(load(None, {"registry": section}, {}))


def test_a_version_is_put_found_and_never_another_program(registry: ProgramRegistry) -> None:
    digests = {version: registry.put(program(version)) for version in ("v1", "v2")}
    assert registry.put(program("v1")) == digests["v1"]
    assert registry.get(digests["v2"]) == program("v2")
    assert (registry.versions("qa"), registry.modules()) == (digests, ["qa"])
    with pytest.raises(ProgramError, match="never replaced"):
        registry.put(program("v1", instructions="Answer otherwise."))
    with pytest.raises(ProgramError, match="not in the registry"):
        registry.get("ab" * 32)
