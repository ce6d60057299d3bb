"""A program version is JSON that reads back as it was written, is named by its bytes, and says what is wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas.programs import (
    MAX_PROGRAM_BYTES,
    FieldState,
    PredictorState,
    Program,
    ProgramError,
    digest_of,
    is_digest,
)

_TEXT = st.text(max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECT = st.dictionaries(_TEXT, _JSON, max_size=3)
_NAME = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
_PREDICTOR = st.builds(
    PredictorState,
    signature=_TEXT,
    signature_hash=_TEXT,
    instructions=_TEXT,
    fields=st.lists(st.builds(FieldState, _TEXT, st.none() | _TEXT, st.none() | _TEXT), max_size=3).map(tuple),
    demos=st.lists(_OBJECT, max_size=3).map(tuple),
)
_PROGRAMS = st.builds(
    Program,
    module=_NAME,
    version=_NAME,
    predictors=st.dictionaries(_TEXT, _PREDICTOR, min_size=1, max_size=3),
    dataset=st.none() | _OBJECT,
    scores=st.none() | _OBJECT,
)


def _program(**changes: Any) -> dict[str, Any]:
    state = {"signature": "A", "signature_hash": "00", "instructions": "Answer.", "fields": [], "demos": []}
    return {
        "format": "headrace.program.v1",
        "module": "qa",
        "version": "v1",
        "predictors": {"self": state},
        "dataset": None,
        **changes,
    }


@given(_PROGRAMS)
def test_a_program_reads_back_as_it_was_written_and_has_one_name(program: Program) -> None:
    data = program.encoded()
    again = Program.decoded(data)
    assert again == program
    assert again.encoded() == data
    assert again.digest == digest_of(data)
    assert is_digest(again.digest)


@given(_PROGRAMS)
def test_how_the_json_is_laid_out_does_not_matter_to_the_name(program: Program) -> None:
    pretty = json.dumps(json.loads(program.encoded()), indent=2).encode()
    assert Program.decoded(pretty).digest == program.digest


def test_members_that_are_not_known_are_passed_over() -> None:
    state = {**_program()["predictors"]["self"], "lm": {"model": "gpt"}, "traces": [1]}
    read = Program.decoded(json.dumps(_program(code="import os", predictors={"self": state})).encode())
    assert read == Program.decoded(json.dumps(_program()).encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "invalid"),
        (b"[]", "invalid"),
        (b"\xff", "invalid"),
        (b" " * (MAX_PROGRAM_BYTES + 1), "too_large"),
        (_program(format="headrace.program.v9"), "invalid"),
        (_program(module="../x"), "invalid"),
        (_program(version=3), "invalid"),
        (_program(predictors={}), "invalid"),
        (_program(predictors={"self": 1}), "invalid"),
        (_program(predictors={"self": {"signature": "A"}}), "invalid"),
        (_program(predictors={"self": {**_program()["predictors"]["self"], "demos": ["x"]}}), "invalid"),
        (_program(predictors={"self": {**_program()["predictors"]["self"], "fields": [{"prefix": "x"}]}}), "invalid"),
        (_program(scores=[1]), "invalid"),
    ],
    ids=range(13),
)
def test_what_is_no_program_is_refused_with_its_reason(data: Any, reason: str) -> None:
    with pytest.raises(ProgramError) as raised:
        Program.decoded(data if isinstance(data, bytes) else json.dumps(data).encode())
    assert raised.value.reason == reason
    assert "\n" not in str(raised.value)


def test_a_program_that_is_too_large_is_not_written() -> None:
    state = PredictorState(signature="A", signature_hash="0", instructions="x" * (MAX_PROGRAM_BYTES + 1))
    with pytest.raises(ProgramError, match="at most") as raised:
        Program(module="qa", version="v1", predictors={"self": state}).encoded()
    assert raised.value.reason == "too_large"


@pytest.mark.parametrize("value", ["", "A" * 64, "a" * 63, "a" * 65, None, b"a" * 64, "../" + "a" * 61])
def test_a_digest_is_64_hex_digits(value: object) -> None:
    assert not is_digest(value)
