"""Keys by reference: found, checked, and never shown."""

import base64
from pathlib import Path
from typing import Any

import pytest

import headrace
import headrace.testing
from headrace.config import load
from headrace.errors import ConfigError
from headrace.key_material import keys_at_hand, load_key, producer_keys, reading_keys
from headrace.redaction import subject_pseudonym

KEY = bytes(range(0xE0, 0x100))
TEXT = base64.b64encode(KEY).decode()
OTHER = base64.b64encode(bytes(range(32))).decode()
ENVIRON = {"KEY": TEXT, "OTHER": OTHER, "WEAK": "c2hvcnQ=", "WORDS": "correct horse battery", "EMPTY": ""}
ENCRYPTION: dict[str, Any] = {
    "encryption": {"write_key": "k2", "keys": {"k1": "env:GONE", "k2": "env:KEY"}, "dedup_key": "env:OTHER"}
}


def test_a_key_is_read_from_the_environment_or_a_file_in_either_alphabet(tmp_path: Path) -> None:
    assert "/" in TEXT
    assert load_key("env:KEY", "x", ENVIRON) == KEY
    path = tmp_path / "key"
    path.write_text(base64.urlsafe_b64encode(KEY).decode() + "\n")
    assert load_key(f"file:{path}", "x", {}) == KEY


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:GONE", "x: the environment variable GONE is not set; make a key: openssl rand -base64 32"),
        ("env:EMPTY", "x: the environment variable EMPTY is not set; make a key: openssl rand -base64 32"),
        ("env:WEAK", "x: env:WEAK is no key, expected 32 bytes in base64; make one: openssl rand -base64 32"),
        ("env:WORDS", "x: env:WORDS is no key, expected 32 bytes in base64; make one: openssl rand -base64 32"),
        ("file:/nowhere/key", "x: cannot read the key file /nowhere/key (No such file or directory)"),
        (
            "file:/dev/zero",
            "x: file:/dev/zero is no key, expected 32 bytes in base64; make one: openssl rand -base64 32",
        ),
    ],
)
def test_what_is_no_key_is_one_line_that_shows_nothing_of_it(reference: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_key(reference, "x", ENVIRON)
    assert str(caught.value) == message


def test_a_producer_needs_the_key_it_writes_with_and_no_other() -> None:
    keys = producer_keys(load(None, ENCRYPTION, {}), ENVIRON)
    assert (keys.write_id, keys.write, keys.dedup) == ("k2", KEY, base64.b64decode(OTHER))
    assert TEXT not in repr(keys)
    assert "xe0" not in repr(keys)
    assert producer_keys(load(None, {}, {}), {}) == producer_keys(load(None, {"encryption": {"keys": {}}}, {}), {})


def test_what_an_import_reads_with_is_what_is_here() -> None:
    assert keys_at_hand(load(None, ENCRYPTION, {}), ENVIRON) == {"k2": KEY}
    assert keys_at_hand(load(None, ENCRYPTION, {}), ENVIRON, lambda _: None) == {}


def test_a_consumer_needs_all_keys() -> None:
    with pytest.raises(ConfigError, match=r"encryption\.keys\.k1: the environment variable GONE"):
        reading_keys(load(None, ENCRYPTION, {}), ENVIRON)
    assert reading_keys(load(None, ENCRYPTION, {}), {**ENVIRON, "GONE": OTHER}) == {
        "k1": base64.b64decode(OTHER),
        "k2": KEY,
    }
    assert reading_keys(load(None, {}, {}), {}) == {}


@pytest.mark.parametrize("keys_of", [producer_keys, reading_keys])
def test_a_missing_library_is_one_line(keys_of: Any) -> None:
    with pytest.raises(ConfigError, match=r"needs the cryptography library: pip install 'headrace\[encryption\]'$"):
        keys_of(load(None, ENCRYPTION, {}), ENVIRON, lambda _: None)
    keys_of(load(None, {}, {}), {}, lambda _: None)


@pytest.mark.parametrize(
    ("encryption", "message"),
    [
        ({"write_key": "k3"}, "encryption.write_key: is no id of encryption.keys (there: k1, k2)"),
        ({"dedup_key": None}, "encryption.dedup_key: missing; a plain hash of a short input can be guessed"),
        ({"dedup_key": "env:KEY"}, "encryption.dedup_key: is one of encryption.keys; use another"),
        ({"dedup_key": "hunter2"}, "encryption.dedup_key: found"),
        ({"keys": {"a:b": "env:X"}}, "encryption.keys"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(encryption: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, {"encryption": {**ENCRYPTION["encryption"], **encryption}}, {})
    assert str(caught.value).startswith(message)


def test_two_names_of_one_key_are_refused() -> None:
    with pytest.raises(ConfigError, match="is the same key as"):
        producer_keys(load(None, ENCRYPTION, {}), {"KEY": TEXT, "OTHER": TEXT})


def test_configure_says_which_key_is_missing_and_changes_nothing() -> None:
    before = headrace.runtime.slot.runtime
    with pytest.raises(ConfigError, match=r"redaction\.pseudonym_key: the environment variable HR_GONE is not set"):
        headrace.configure(redaction={"pseudonym_key": "env:HR_GONE"})
    assert headrace.runtime.slot.runtime is before


def test_a_pseudonym_is_what_the_records_of_this_configuration_hold(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(TEXT)
    with headrace.testing.capture(redaction={"pseudonym_key": f"file:{path}"}) as captured:
        headrace.feedback("r-1", score=1, subject_id="jane")
        assert headrace.pseudonym("jane") == subject_pseudonym("jane", KEY) != subject_pseudonym("jane")
    assert captured.feedback[0]["subject_id"] == subject_pseudonym("jane", KEY)
