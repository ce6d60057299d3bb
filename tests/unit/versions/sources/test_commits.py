"""git is asked in a way that nothing of a repository can change or run."""

import os
import subprocess

import pytest

from headrace.errors import UsageError
from headrace_consumers.versions.sources.commits import Change, GitError, Repository
from tests.support.git_repository import GitRepository


@pytest.fixture
def made(tmp_path):
    return GitRepository(tmp_path / "repo")


def test_commits_come_newest_first_without_merges(made):
    first = made.commit("Add the parser\n\nIt reads orders.\nAll of them.", {"a.py": "1\n"})
    made.git("checkout", "-q", "-b", "side")
    side = made.commit("Read files too", {"b.py": "1\n"})
    made.git("checkout", "-q", "main")
    second = made.commit("Ünïcode | tabs\t and all", {"a.py": "2\n"})
    made.git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
    commits = list(Repository(made.path).commits())
    assert [each.id for each in commits] == [second, side, first]
    assert commits[2].subject == "Add the parser"
    assert commits[2].body == "It reads orders.\nAll of them."
    assert commits[0].subject == "Ünïcode | tabs\t and all"
    assert commits[0].time_s - commits[2].time_s == 2 * 86_400


def test_since_and_ref_bound_the_history(made):
    ids = [made.commit(f"Commit number {n}", {"a.py": f"{n}\n"}) for n in range(4)]
    repository = Repository(made.path)
    assert [each.id for each in repository.commits("HEAD~1")] == ids[2::-1]
    assert [each.id for each in repository.commits(since="2023-11-17T12:00:00Z")] == ids[:1:-1]


@pytest.mark.parametrize("since", ["gibberish", "2099-01-01", ""])
def test_a_date_that_is_none_or_to_come_is_refused(made, since):
    made.commit("Add things", {"a.py": "1\n"})
    with pytest.raises(UsageError, match=f"--since {since}: is no date before now"):
        next(Repository(made.path).commits(since=since))


@pytest.mark.parametrize(
    ("since", "count"), [("2023-01-01", 1), ("2023-11-17T12:00:00Z", 0), ("1 week ago", 0), ("yesterday", 0)]
)
def test_dates_are_read_as_git_does(made, since, count):
    made.commit("Add things", {"a.py": "1\n"})
    assert len(list(Repository(made.path).commits(since=since))) == count


def test_changes_tell_paths_and_lines_of_the_first_commit_too(made):
    commit_id = made.commit(
        "Add things", {"a b.py": "1\n2\n", "-x.py": "1\n", "é\t.py": "1\n", "logo.png": b"\x00\x01"}
    )
    assert sorted(Repository(made.path).changes(commit_id), key=lambda each: each.path) == [
        Change("-x.py", 1),
        Change("a b.py", 2),
        Change("logo.png", None),
        Change("é\t.py", 1),
    ]


def test_a_diff_is_of_the_files_asked_for_and_literally_of_those(made):
    commit_id = made.commit("Add things", {"*.py": "star\n", "a.py": "letter\n", ":(top)b.py": "magic\n"})
    repository = Repository(made.path)
    assert "letter" not in repository.diff(commit_id, ["*.py"], 10_000)
    assert "magic" in repository.diff(commit_id, [":(top)b.py"], 10_000)


def test_from_a_folder_inside_the_diffs_are_those_from_the_top(made):
    commit_id = made.commit("Add things", {"a.py": "top\n", "inside/b.py": "deep\n"})
    inside = Repository(made.path / "inside")
    assert [each.path for each in inside.changes(commit_id)] == ["a.py", "inside/b.py"]
    assert "+deep" in inside.diff(commit_id, ["inside/b.py"], 10_000)
    assert "+top" in inside.diff(commit_id, ["a.py"], 10_000)


def test_a_bare_repository_is_read_too(made, tmp_path):
    commit_id = made.commit("Add things", {"a.py": "top\n"})
    made.git("clone", "-q", "--bare", str(made.path), str(tmp_path / "bare"))
    assert "+top" in Repository(tmp_path / "bare").diff(commit_id, ["a.py"], 10_000)


def test_a_long_diff_ends_with_a_whole_line_and_says_so(made):
    commit_id = made.commit("Add many lines", {"a.py": "".join(f"line {n}\n" for n in range(10_000))})
    diff = Repository(made.path).diff(commit_id, ["a.py"], 1000)
    kept, told = diff.rstrip("\n").rsplit("\n", 1)
    assert told == "[the rest of the diff was left out]"
    assert len(kept) <= 1000
    assert kept.rstrip("\n").rsplit("\n", 1)[1].startswith("+line ")


def test_a_commit_of_one_endless_line_is_cut_too(made):
    commit_id = made.commit("Add one line", {"a.py": "x" * 100_000})
    assert len(Repository(made.path).diff(commit_id, ["a.py"], 1000)) < 1100


def test_who_leaves_early_leaves_no_process(made):
    for n in range(50):
        made.commit(f"Commit number {n}", {"a.py": f"{n}\n"})
    commits = Repository(made.path).commits()
    next(commits)
    commits.close()
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-x", "git"], capture_output=True, check=False)
    assert children.stdout == b""


@pytest.mark.parametrize("ref", ["--output=/tmp/x", "-h", "no-such-branch", "", "HEAD..HEAD", "HEAD --all"])
def test_a_ref_is_never_an_option(made, ref):
    made.commit("Add the parser", {"a.py": "1\n"})
    with pytest.raises(UsageError, match="has no such commit"):
        list(Repository(made.path).commits(ref))


def test_a_date_is_never_an_option(made, tmp_path):
    made.commit("Add the parser", {"a.py": "1\n"})
    list(Repository(made.path).commits(since=f"x --output={tmp_path / 'out'}"))
    assert not (tmp_path / "out").exists()


def test_nothing_of_the_repository_is_run(made, tmp_path):
    touched = tmp_path / "touched"
    program = made.path / "evil.sh"
    commit_id = made.commit("Add a trap", {"a.py": "1\n", ".gitattributes": "*.py diff=evil\n"})
    program.write_text(f"#!/bin/sh\ntouch {touched}\ncat\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "diff.evil.command", "diff.evil.textconv"):
        made.git("config", key, str(program))
    for setting in ("log.showSignature", "core.commitGraph"):
        made.git("config", setting, "true")
    made.git("config", "gpg.program", str(program))
    repository = Repository(made.path)
    assert [each.id for each in repository.commits()] == [commit_id]
    assert "+1" in repository.diff(commit_id, [repository.changes(commit_id)[1].path], 1000)
    assert not touched.exists()


def test_no_repository_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="no git repository"):
        Repository(tmp_path, {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(tmp_path)})
    with pytest.raises(UsageError, match="no such folder"):
        Repository(tmp_path / "missing")


def test_an_empty_repository_is_one_line(made):
    with pytest.raises(UsageError, match="has no such commit"):
        list(Repository(made.path).commits())


def test_no_git_is_one_line(made):
    with pytest.raises(GitError, match="not installed"):
        Repository(made.path, {"PATH": str(made.path)})


def test_a_damaged_repository_is_one_line(made):
    commit_id = made.commit("Add the parser", {"a.py": "1\n"})
    loose = made.path / ".git/objects" / commit_id[:2] / commit_id[2:]
    loose.chmod(0o600)
    loose.write_bytes(b"damaged")
    with pytest.raises((GitError, UsageError)) as raised:
        list(Repository(made.path).commits())
    assert "\n" not in str(raised.value)


def test_a_git_that_complains_at_length_is_not_stuck(made, tmp_path):
    made.commit("Add it", {"a.py": "1\n"})
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin" / "git"
    git.write_text(f'#!/bin/sh\nPATH="{os.environ["PATH"]}"\nyes warning | head -c 300000 >&2\nexec git "$@"\n')
    git.chmod(0o755)
    repository = Repository(made.path, {"PATH": f"{git.parent}:{os.environ['PATH']}"})
    (commit,) = repository.commits()
    assert commit.subject == "Add it"
