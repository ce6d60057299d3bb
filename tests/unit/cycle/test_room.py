"""The room of the cycle knows the versions, and reaches tables, registry and rollouts by what it is given."""

from tests.unit.versions.test_rooms import PACKAGE, imported


def test_the_cycle_imports_no_room_that_writes_the_dataset_or_decides_rollouts():
    files = sorted((PACKAGE / "cycle").rglob("*.py"))
    assert len(files) > 20
    names = [name for path in files for name in imported(path)]
    assert any(name.startswith("headrace_consumers.versions.") for name in names)
    for other in ("dataset", "metrics", "rollout", "cli"):
        assert [name for name in names if f"{name}.".startswith(f"headrace_consumers.{other}.")] == []
