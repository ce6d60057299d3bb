"""A new signing key: a service's copies of programs get its signature, before the old key goes and after."""

import base64
from pathlib import Path

import pytest

from headrace.programs import ProgramRegistry, Signer, Verifier, public_key_of
from headrace.programs.blobs import LocalBlobs
from tests.unit.headrace.capture.conftest import At
from tests.unit.headrace.routing.test_router import Away
from tests.unit.headrace.routing.test_routing import ask
from tests.unit.headrace.routing.world import Hearing, Twice, World, rollout, version_of

_OLD, _NEW = b"o" * 32, b"n" * 32
_HOUR_S = 3_600.0


def _verifier(*seeds: bytes) -> Verifier:
    return Verifier([base64.b64decode(public_key_of(seed)) for seed in seeds])


class Rotation:
    """A promoted program signed by the old key, in a service that trusts both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = LocalBlobs(folder / "registry")
        self.digest = ProgramRegistry(self.blobs, signer=Signer(_OLD)).put(version_of("v2"))
        self.first, self.registry = self.service(_OLD, _NEW)
        self.registry.is_away = False
        self.program = self.first.route(Twice())
        self.first.order(rollout(self.digest, "promoted"))
        assert self.is_good_for(_OLD)
        assert not self.is_good_for(_NEW)

    def service(self, *trusted: bytes) -> tuple[World, Away]:
        """Start the service anew; its registry is away at first."""
        verifier = _verifier(*trusted)
        registry = Away(self.blobs, verifier=verifier)
        return World(self.folder, registry, verifier), registry

    def sign(self) -> None:
        assert ProgramRegistry(self.blobs, signer=Signer(_NEW), verifier=_verifier(_OLD, _NEW)).sign(self.digest)

    def is_good_for(self, seed: bytes) -> bool:
        copy = self.folder / f"spool/programs/{self.digest}.sig"
        return _verifier(seed).is_good(self.digest, copy.read_bytes())


@pytest.fixture
def rotation(tmp_path: Path, at: At) -> Rotation:
    at(0)
    return Rotation(tmp_path)


def test_a_running_service_gets_the_new_signature_within_the_hour_and_restarts_without_the_old_key(
    rotation: Rotation, lm: Hearing
) -> None:
    rotation.sign()
    changes, asked = rotation.first.changes, rotation.registry.asked
    rotation.first.now_s = _HOUR_S - 1
    rotation.first.router.idle()
    assert rotation.registry.asked == asked
    rotation.first.now_s = _HOUR_S
    for _ in range(5):
        rotation.first.router.idle()
    assert rotation.registry.asked == asked + 1
    assert rotation.is_good_for(_NEW)
    assert (rotation.first.changes, rotation.first.failures) == (changes, [])

    second, registry = rotation.service(_NEW)  # and the registry is away
    ask(second.route(Twice()))
    assert lm.versions == ["v2", "v2"]
    assert (registry.asked, second.failures) == (0, [])


def test_so_does_one_that_restarts_after_the_signing(rotation: Rotation) -> None:
    rotation.sign()
    second, registry = rotation.service(_OLD, _NEW)
    registry.is_away = False
    second.router.idle()
    assert rotation.is_good_for(_NEW)


def test_one_that_missed_it_serves_the_baseline_until_the_registry_answers_and_has_it_on_disk_from_then_on(
    rotation: Rotation, lm: Hearing
) -> None:
    rotation.sign()
    second, registry = rotation.service(_NEW)
    program = second.route(Twice())
    second.router.idle()
    ask(program)
    registry.is_away = False
    second.now_s = 5.0
    second.router.idle()
    ask(program)
    third, _ = rotation.service(_NEW)
    ask(third.route(Twice()))
    assert lm.versions == ["deployed"] * 2 + ["v2"] * 4
    assert (second.failures, third.failures) == (["unreachable"], [])


@pytest.mark.parametrize("trouble", ["away", "signature is gone"])
def test_a_program_that_serves_goes_on_serving_where_its_signatures_cannot_be_had_again(
    rotation: Rotation, lm: Hearing, trouble: str
) -> None:
    rotation.registry.is_away = trouble == "away"
    if trouble != "away":
        (rotation.folder / f"registry/programs/{rotation.digest}.sig").unlink()
    asked = rotation.registry.asked
    for second in range(130):
        rotation.first.now_s = _HOUR_S + second
        rotation.first.router.idle()
    assert rotation.registry.asked - asked == 3  # once a minute
    ask(rotation.program)
    assert lm.versions == ["v2", "v2"]
    assert rotation.first.failures == []
    assert rotation.is_good_for(_OLD)
