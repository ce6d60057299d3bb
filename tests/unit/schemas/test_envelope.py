"""Encrypted fields: they open with their key, in their place, unchanged, and in no other way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import CanonicalizationError, EnvelopeError, canonical
from headrace_schemas.envelope import is_sealed_object, seal, seal_object, unseal, unseal_object

KEYS = {"2026-05": bytes(range(32)), "2026-11": bytes(range(1, 33))}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def sealed(text: str, key_id: str = "2026-11", record_id: str = "event-1", field: str = "error") -> str:
    return seal(text, key=KEYS[key_id], key_id=key_id, record_id=record_id, field=field)


@given(TEXTS, st.sampled_from(sorted(KEYS)))
def test_a_text_comes_back_with_whichever_key_it_was_sealed(text: str, key_id: str) -> None:
    envelope = sealed(text, key_id)
    assert envelope.startswith(f"enc:v1:{key_id}:")
    assert unseal(envelope, KEYS, record_id="event-1", field="error") == text


@given(st.dictionaries(TEXTS, TEXTS))
def test_an_object_is_sealed_as_an_object_of_canonical_json(value: dict[str, str]) -> None:
    text = canonical.dumps(value).decode()
    envelope = seal_object(text, key=KEYS["2026-05"], key_id="2026-05", record_id="e", field="input")
    assert is_sealed_object(envelope)
    assert list(json.loads(envelope)) == ["$hr:enc"]
    assert unseal_object(envelope, KEYS, record_id="e", field="input") == text


@pytest.mark.parametrize(
    "value", [{"$hr:enc": "enc:v1:k:AAAA"}, {"$hr:enc": "enc:v1:k:AAAA", "z": ""}, {"a": 'enc":"enc:v1:k:AAAA"}'}]
)
def test_no_value_is_taken_for_an_envelope(value: Any) -> None:
    text = canonical.dumps(value).decode()
    assert not is_sealed_object(text)
    assert canonical.loads(text) == value


def test_an_envelope_is_no_value() -> None:
    with pytest.raises(CanonicalizationError):
        canonical.loads(seal_object("{}", key=KEYS["2026-05"], key_id="k", record_id="e", field="input"))


def test_one_text_is_sealed_differently_each_time() -> None:
    assert len({sealed("yes") for _ in range(100)}) == 100


@pytest.mark.parametrize("changes", [{"record_id": "event-2"}, {"field": "output"}])
def test_an_envelope_that_was_moved_does_not_open(changes: dict[str, str]) -> None:
    with pytest.raises(EnvelopeError, match="does not open with key 2026-11"):
        unseal(sealed("tulip"), KEYS, **{"record_id": "event-1", "field": "error", **changes})


@given(st.data())
def test_an_envelope_that_was_changed_does_not_open(data: st.DataObject) -> None:
    envelope = sealed("tulip")
    at = data.draw(st.integers(0, len(envelope) - 1))
    character = data.draw(st.sampled_from("AbZ09-_=:{ é"))
    changed = envelope[:at] + character + envelope[at + 1 :]
    if changed != envelope:
        with pytest.raises(EnvelopeError) as caught:
            unseal(changed, KEYS, record_id="event-1", field="error")
        assert "tulip" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "enc:v1:", "enc:v1:2026-11:", "enc:v2:2026-11:AAAA", "enc:v1:2026-11:AAAA", "x"])
def test_what_is_no_envelope_does_not_open(text: str) -> None:
    with pytest.raises(EnvelopeError):
        unseal(text, KEYS, record_id="event-1", field="error")
    with pytest.raises(EnvelopeError):
        unseal_object(text, KEYS, record_id="event-1", field="error")


def test_a_missing_key_is_named_and_a_wrong_one_does_not_open() -> None:
    with pytest.raises(EnvelopeError, match=r"error is encrypted with key 2026-11, which encryption\.keys lacks"):
        unseal(sealed("tulip"), {"2026-05": KEYS["2026-05"]}, record_id="event-1", field="error")
    with pytest.raises(EnvelopeError, match="another key of that name"):
        unseal(sealed("tulip"), {"2026-11": KEYS["2026-05"]}, record_id="event-1", field="error")


def test_the_key_id_is_authenticated() -> None:
    envelope = sealed("tulip").replace("2026-11", "renamed")
    with pytest.raises(EnvelopeError):
        unseal(envelope, {"renamed": KEYS["2026-11"]}, record_id="event-1", field="error")


def test_an_envelope_of_today_opens_in_all_later_releases() -> None:
    nonce = bytes(range(12))
    envelope = seal(
        "tulip", key=KEYS["2026-05"], key_id="k", record_id="e", field="error", random_bytes=lambda n: nonce[:n]
    )
    assert envelope == "enc:v1:k:AAECAwQFBgcICQoLM3e6crWnPLourb13icMthMx8sK3e"
    assert unseal(envelope, {"k": KEYS["2026-05"]}, record_id="e", field="error") == "tulip"
