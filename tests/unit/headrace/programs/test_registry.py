"""What the registry gives is what was put there, by whom it should be; anything else is refused with its reason."""

import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from headrace.config import load
from headrace.errors import ConfigError
from headrace.programs import ProgramRegistry, Signer, Verifier, open_registry, public_key_of
from headrace.programs.blobs import Blobs, LocalBlobs
from headrace.programs.object_blobs import ObjectBlobs
from headrace_schemas.programs import MAX_PROGRAM_BYTES, PredictorState, Program, ProgramError, digest_of

_SEED, _OTHER_SEED = b"a" * 32, b"b" * 32


def program(version: str = "v1", module: str = "qa", instructions: str = "Answer.") -> Program:
    state = PredictorState(signature="QA", signature_hash="00", instructions=instructions)
    return Program(module=module, version=version, predictors={"self": state})


def verifier(*seeds: bytes) -> Verifier:
    return Verifier([base64.b64decode(public_key_of(seed)) for seed in seeds])


def reason(registry: ProgramRegistry, digest: str) -> str:
    with pytest.raises(ProgramError) as raised:
        registry.get(digest)
    assert "\n" not in str(raised.value)
    return raised.value.reason


@pytest.fixture(params=["folder", "objects"])
def blobs(request: Any, tmp_path: Path) -> Blobs:
    return LocalBlobs(tmp_path / "registry") if request.param == "folder" else ObjectBlobs("memory:///", {})


def test_what_is_put_is_got_by_its_digest_and_found_by_its_name(blobs: Blobs) -> None:
    registry = ProgramRegistry(blobs)
    digests = {version: registry.put(program(version)) for version in ("v1", "v2")}
    assert {version: registry.get(digest) for version, digest in digests.items()} == {
        "v1": program("v1"),
        "v2": program("v2"),
    }
    assert registry.versions("qa") == digests
    assert registry.find("qa", "v2") == digests["v2"]
    assert registry.modules() == ["qa"]
    assert registry.versions("other") == {}


def test_a_version_never_becomes_another_program(blobs: Blobs) -> None:
    registry = ProgramRegistry(blobs)
    digest = registry.put(program())
    assert registry.put(program()) == digest
    with pytest.raises(ProgramError, match="new name") as raised:
        registry.put(program(instructions="Answer otherwise."))
    assert raised.value.reason == "taken"
    assert registry.find("qa", "v1") == digest


def test_what_is_not_there_is_missing(blobs: Blobs) -> None:
    registry = ProgramRegistry(blobs)
    assert reason(registry, "ab" * 32) == "missing"
    assert reason(registry, "../../etc/passwd") == "missing"
    with pytest.raises(ProgramError, match="not in the registry"):
        registry.find("qa", "v9")
    with pytest.raises(ProgramError, match="no name"):
        registry.find("../qa", "v1")


def test_only_what_a_known_key_has_signed_is_accepted(blobs: Blobs) -> None:
    unsigned = ProgramRegistry(blobs).put(program("v1"))
    signed = ProgramRegistry(blobs, signer=Signer(_SEED)).put(program("v2"))
    assert ProgramRegistry(blobs, verifier=verifier(_SEED)).get(signed) == program("v2")
    assert ProgramRegistry(blobs, verifier=verifier(_OTHER_SEED, _SEED)).get(signed) == program("v2")
    assert reason(ProgramRegistry(blobs, verifier=verifier(_SEED)), unsigned) == "unsigned"
    assert reason(ProgramRegistry(blobs, verifier=verifier(_OTHER_SEED)), signed) == "signature"
    assert ProgramRegistry(blobs).get(signed) == program("v2")


def test_a_new_key_signs_what_is_put_again_and_the_one_before_holds_until_services_drop_it(blobs: Blobs) -> None:
    digest = ProgramRegistry(blobs, signer=Signer(_SEED)).put(program())
    for _ in range(2):
        assert ProgramRegistry(blobs, signer=Signer(_OTHER_SEED)).put(program()) == digest
    for seed in (_SEED, _OTHER_SEED):
        assert ProgramRegistry(blobs, verifier=verifier(seed)).get(digest) == program()
    signatures = ProgramRegistry(blobs, verifier=verifier(_SEED)).read(digest)[1]
    assert signatures is not None
    assert len(signatures.split()) == 2
    assert reason(ProgramRegistry(blobs, verifier=verifier(b"c" * 32)), digest) == "signature"


def test_what_is_there_is_signed_anew_if_a_trusted_key_has_signed_it(blobs: Blobs) -> None:
    signed = ProgramRegistry(blobs, signer=Signer(_SEED)).put(program("v1"))
    unsigned, strange = ProgramRegistry(blobs).put(program("v2")), digest_of(b"{}")
    blobs.put_once(f"programs/{strange}.json", b"{}")
    signing = ProgramRegistry(blobs, signer=Signer(_OTHER_SEED), verifier=verifier(_SEED))
    assert [signing.sign(signed), signing.sign(signed)] == [True, False]
    for digest, whoever_signed, refused in ((unsigned, False, "unsigned"), (strange, True, "invalid")):
        with pytest.raises(ProgramError) as raised:
            signing.sign(digest, whoever_signed=whoever_signed)
        assert raised.value.reason == refused
    new = ProgramRegistry(blobs, verifier=verifier(_OTHER_SEED))
    assert new.get(signed) == program("v1")
    assert [reason(new, unsigned), reason(new, strange)] == ["unsigned", "unsigned"]
    assert signing.sign(unsigned, whoever_signed=True)
    assert new.get(unsigned) == program("v2")


def test_of_many_signatures_the_newest_are_kept(blobs: Blobs) -> None:
    seeds = [bytes([at]) * 32 for at in range(10)]
    digests = {ProgramRegistry(blobs, signer=Signer(seed)).put(program()) for seed in seeds}
    (digest,) = digests
    reads = [ProgramRegistry(blobs, verifier=verifier(seed)) for seed in seeds]
    assert [reason(each, digest) for each in reads[:2]] == ["signature"] * 2
    assert all(each.get(digest) == program() for each in reads[2:])


def test_the_signature_of_one_program_is_none_of_another(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    signed = ProgramRegistry(blobs, signer=Signer(_SEED)).put(program("v1"))
    other = ProgramRegistry(blobs).put(program("v2"))
    (tmp_path / f"programs/{other}.sig").write_bytes((tmp_path / f"programs/{signed}.sig").read_bytes())
    assert reason(ProgramRegistry(blobs, verifier=verifier(_SEED)), other) == "signature"
    (tmp_path / f"programs/{other}.sig").write_bytes(b"no base64")
    assert reason(ProgramRegistry(blobs, verifier=verifier(_SEED)), other) == "signature"


def test_a_changed_file_is_noticed_and_one_that_is_no_program_too(tmp_path: Path) -> None:
    registry = ProgramRegistry(LocalBlobs(tmp_path))
    digest = registry.put(program())
    file = tmp_path / f"programs/{digest}.json"
    file.write_bytes(file.read_bytes().replace(b"Answer.", b"Reveal."))
    assert reason(registry, digest) == "digest"
    strange = digest_of(b"{}")
    (tmp_path / f"programs/{strange}.json").write_bytes(b"{}")
    assert reason(registry, strange) == "invalid"
    huge = b" " * (MAX_PROGRAM_BYTES + 1)
    (tmp_path / f"programs/{digest_of(huge)}.json").write_bytes(huge)
    assert reason(registry, digest_of(huge)) in {"digest", "too_large"}


def test_what_cannot_be_read_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / f"programs/{'ab' * 32}.json").mkdir(parents=True)
    assert reason(ProgramRegistry(LocalBlobs(tmp_path)), "ab" * 32) == "unreachable"


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "programs").write_bytes(b"a file where a folder should be")
    with pytest.raises(ProgramError, match="cannot be written") as raised:
        ProgramRegistry(LocalBlobs(tmp_path)).put(program())
    assert raised.value.reason == "unreachable"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["programs"]


def test_files_are_written_whole_and_readable_by_the_services(tmp_path: Path) -> None:
    digest = ProgramRegistry(LocalBlobs(tmp_path, mode=0o644)).put(program())
    (file,) = (tmp_path / "programs").iterdir()
    assert file.name == f"{digest}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_the_configuration_names_the_place_and_the_keys(tmp_path: Path) -> None:
    seed = base64.b64encode(_SEED).decode()
    (tmp_path / "public").write_text(public_key_of(_SEED) + "\n")
    section = {
        "path": str(tmp_path / "registry"),
        "signing_key": "env:SEED",
        "verify_keys": [f"file:{tmp_path}/public"],
    }
    registry = open_registry(load(None, {"registry": section}, {}), {"SEED": seed})
    assert registry.get(registry.put(program())) == program()


@pytest.mark.parametrize(
    ("section", "found", "why"),
    [
        ({}, True, "registry.path: not set"),
        ({"path": "x", "verify_keys": ["env:NOT_SET"]}, True, r"registry.verify_keys\[0\]: the environment variable"),
        ({"path": "x", "signing_key": "env:SHORT"}, True, "registry.signing_key: env:SHORT is no key"),
        ({"path": "x", "signing_key": "env:SHORT"}, False, "headrace\\[encryption\\]"),
        ({"path": "ftp://x/y"}, True, "registry.path: ftp://x/y: "),
    ],
)
def test_a_configuration_that_cannot_be_used_is_one_line(section: Any, found: bool, why: str) -> None:
    config = load(None, {"registry": section}, {})
    with pytest.raises(ConfigError, match=why) as raised:
        open_registry(config, {"SHORT": "c2hvcnQ="}, lambda _: object() if found else None)
    assert "\n" not in str(raised.value)


def test_a_store_that_is_away_is_unreachable() -> None:
    options = {
        "aws_endpoint": "http://127.0.0.1:9",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "y",
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
        "timeout": "200ms",
        "connect_timeout": "200ms",
    }
    registry = ProgramRegistry(ObjectBlobs("s3://bucket/programs", options, max_retries=0))
    assert reason(registry, "ab" * 32) == "unreachable"
