"""Names of a dataset version's files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import dataset_files

_SIGNATURES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)


@given(_SIGNATURES)
def test_a_folder_is_named_after_its_signature_and_after_no_other(signature: str) -> None:
    name = dataset_files.folder_name(signature)
    assert dataset_files.signature_of(name) == signature
    assert "/" not in name
    assert "\0" not in name
    assert name not in {".", ".."}


@pytest.mark.parametrize("signature", ["ClassifyTicket", "my.module.answer", "Triage-2", "a b"])
def test_ordinary_names_stay_as_they_are(signature: str) -> None:
    assert dataset_files.folder_name(signature) == signature


@pytest.mark.parametrize("signature", ["", "x" * 201, "/" * 100])
def test_what_no_file_can_be_called_is_refused(signature: str) -> None:
    with pytest.raises(ValueError, match="cannot name a folder"):
        dataset_files.folder_name(signature)


@given(st.integers(1, 999_999_999))
def test_a_versions_number_is_in_its_name(number: int) -> None:
    assert dataset_files.version_number(dataset_files.version_name(number)) == number


@pytest.mark.parametrize("name", ["v0", "v01", "v", "latest", "v1.building", "v-1", "v1\n", "sources"])
def test_other_names_are_no_versions(name: str) -> None:
    assert dataset_files.version_number(name) is None
