"""Telemetry's share, verified from the provenance: a mismatch is told and stops the run."""

import hashlib
import json

import pytest

from headrace.datasets.place import Version
from headrace.errors import DatasetError
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.provenance import verified
from tests.support.version_folders import example_line, provenance_line, write_version

PLACE = {"topic": "t", "partition": 0, "offset": 1}


@pytest.fixture
def lines():
    telemetry = [example_line({"q": f"t{n}"}, {"a": "x"}) for n in range(6)]
    mined = [example_line({"q": f"g{n}"}, {"a": "x"}, source="git", label="generated") for n in range(2)]
    return telemetry, mined


def provenance_of(telemetry, mined):
    return [*(provenance_line(line, **PLACE) for line in telemetry), *map(provenance_line, mined)]


def version_of(tmp_path, lines, provenance):
    telemetry, mined = lines
    folder = write_version(
        tmp_path, {"train": telemetry[:4], "val": mined, "test": telemetry[4:]}, provenance=provenance
    )
    return Version("S", folder.name, folder)


def change(version, name, edit):
    """Change a file, and the manifest with it, as a bug in a cut would."""
    path = version.path / name
    path.write_bytes(edit(path.read_bytes()))
    manifest = json.loads((version.path / "manifest.json").read_bytes())
    manifest["files"][name]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (version.path / "manifest.json").write_text(json.dumps(manifest))


def test_the_share_is_counted_where_the_examples_come_from(tmp_path, lines):
    found = verified(version_of(tmp_path, lines, provenance_of(*lines)))
    assert dict(found.sources) == {"telemetry": 6, "git": 2}
    assert found.telemetry_share == 0.75
    assert found.examples == {"train": 4, "val": 2, "test": 2}
    assert found.labels["val"] == {"generated": 2}
    assert found.fields == {"inputs": ["q"], "outputs": ["a"]}


def test_an_example_of_another_source_than_its_provenance_is_told(tmp_path, lines):
    wrong = provenance_of(*lines)
    wrong[0] = {**wrong[0], "source": "synthetic"}
    with pytest.raises(CycleError, match=r"is of synthetic, train\.jsonl that it is of telemetry"):
        verified(version_of(tmp_path, lines, wrong))


def test_an_example_without_provenance_is_told(tmp_path, lines):
    with pytest.raises(CycleError, match=r"is of nothing, test\.jsonl that it is of telemetry"):
        verified(
            version_of(
                tmp_path,
                lines,
                [each for each in provenance_of(*lines) if each["example_id"] != lines[0][5]["example_id"]],
            )
        )


def test_provenance_without_an_example_is_told(tmp_path, lines):
    more = [*provenance_of(*lines), provenance_line(example_line({"q": "gone"}, {"a": "x"}), **PLACE)]
    with pytest.raises(CycleError, match="tells of 1 examples that no split has"):
        verified(version_of(tmp_path, lines, more))


def test_provenance_that_is_twice_there_is_told(tmp_path, lines):
    with pytest.raises(CycleError, match="twice"):
        verified(version_of(tmp_path, lines, [*provenance_of(*lines), provenance_of(*lines)[0]]))


def test_telemetry_without_its_place_in_kafka_is_told(tmp_path, lines):
    without = [provenance_line(line) for side in lines for line in side]
    with pytest.raises(CycleError, match="not from which topic, partition and offset"):
        verified(version_of(tmp_path, lines, without))


def test_figures_that_say_something_else_are_told(tmp_path, lines):
    version = version_of(tmp_path, lines, provenance_of(*lines))
    change(version, "metadata.json", lambda content: content.replace(b'"telemetry": 4', b'"telemetry": 5'))
    with pytest.raises(
        CycleError, match=r"metadata\.json says git 2, telemetry 7, provenance\.jsonl git 2, telemetry 6"
    ):
        verified(version)


def test_a_changed_file_is_told(tmp_path, lines):
    version = version_of(tmp_path, lines, provenance_of(*lines))
    (version.path / "provenance.jsonl").write_bytes(b"")
    with pytest.raises(DatasetError, match="is not the file that the manifest names"):
        verified(version)
