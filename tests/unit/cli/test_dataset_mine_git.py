"""Commits become examples: bounded, without secrets, resumable, and whatever the LM does is told in a line."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from headrace_consumers.versions.sources.pool import read_pool
from tests.support.git_repository import GitRepository
from tests.support.lm_answers import answering, asked_by
from tests.support.openai_server import MODEL, Reply, serving
from tests.unit.versions.sources import targets

TARGETS = "tests.unit.versions.sources.targets"
SECRET = "sk-proj-4f9aB3kQ7xZ2mN8vL5tR"


@pytest.fixture
def made(tmp_path):
    return GitRepository(tmp_path / "repo")


@pytest.fixture(autouse=True)
def history(made):
    return [made.commit(f"Refuse orders of kind {n} from abroad", {"a.py": f"kind = {n}\n"}) for n in range(6)]


@pytest.fixture
def mine(command, made, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def run(server, *arguments, signature=f"{TARGETS}:Route"):
        lm = () if server is None else ("--lm", MODEL, "--api-base", server.url)
        return command("dataset", "mine-git", "--signature", signature, "--repo", made.path, *lm, *arguments)

    return run


@pytest.fixture
def pool(tmp_path):
    return tmp_path / "training_data" / "Route" / "sources" / "git.jsonl"


def routes(asked):
    kind = asked.inputs["subject"].split()[4] if "of kind" in asked.inputs["subject"] else "other"
    inputs = {"ticket": f"My order of kind {kind} was refused"}
    return {
        "examples": [
            {"inputs": inputs, "outputs": {"queue": "billing"}, "category": "orders", "difficulty": "hard"},
        ]
    }


def test_each_commit_gives_examples_with_their_provenance(mine, history, pool):
    with serving(answering(routes)) as server:
        ended = mine(server, "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json["ended"] == "history"
    assert (ended.json["in_pool"], ended.json["added"], ended.json["asked"], ended.json["calls"]) == (6, 6, 6, 6)
    lines = read_pool(pool).lines
    assert [each["metadata"]["commit"] for each in lines] == history[::-1]
    first = lines[0]
    assert (first["inputs"], first["outputs"]) == ({"ticket": "My order of kind 5 was refused"}, {"queue": "billing"})
    assert (first["category"], first["difficulty"]) == ("orders", "hard")
    assert first["metadata"]["paths"] == ["a.py"]
    assert first["metadata"]["model"] == MODEL


def test_another_folder_of_versions_can_be_filled(mine, pool, tmp_path):
    with serving(answering(routes)) as server:
        ended = mine(server, "--max", "1", "--root", tmp_path / "elsewhere", "--json")
    assert ended.json["added"] == 1
    assert len(read_pool(tmp_path / "elsewhere/Route/sources/git.jsonl").lines) == 1
    assert not pool.exists()


def test_the_program_is_told_the_task_the_commit_and_the_type_of_an_example(mine, made):
    made.commit("Refuse orders from abroad\n\nThe law wants it.", {"a.py": "refused = True\n", "notes.md": "private"})
    with serving(answering(routes)) as server:
        mine(server)
    asked = asked_by(server.requests[0])
    assert "Route a ticket." in asked.inputs["task"]
    assert "- queue (Literal['billing', 'bug'])" in asked.inputs["task"]
    assert asked.inputs["body"] == "The law wants it."
    assert "+refused = True" in asked.inputs["diff"]
    assert "private" not in json.dumps(server.requests)
    assert asked.outputs["examples"]["$defs"]["Outputs"]["properties"]["queue"]["enum"] == ["billing", "bug"]


def test_secrets_never_reach_the_lm(mine, made):
    made.commit(
        f"Use the token {SECRET} for the mailer\n\nAsk ann@example.com, password: hunter2!x",
        {"a.py": f"API_KEY = '{SECRET}'\nurl = 'https://ann:s3cr3tpw@host/x'\n", f"{SECRET}.py": "1\n"},
    )
    with serving(answering(routes)) as server:
        ended = mine(server, "--json")
    assert ended.err == ""
    sent = json.dumps(server.requests)
    for hidden in (SECRET, "ann@example.com", "hunter2", "s3cr3tpw"):
        assert hidden not in sent
    assert "[SECRET]" in sent
    assert ended.json["redactions"]["secret"] >= 4


def test_what_the_lm_makes_up_is_redacted_too(mine, pool):
    def leaks(asked):
        made = routes(asked)
        made["examples"][0]["inputs"]["ticket"] += " write to bob@example.org"
        return made

    with serving(answering(leaks)) as server:
        mine(server)
    assert "bob@" not in pool.read_text()
    assert "[EMAIL]" in pool.read_text()


def test_it_stops_at_the_target_and_counts_what_there_was(mine):
    with serving(answering(routes)) as server:
        first = mine(server, "--target", "2", "--json").json
        again = mine(server, "--target", "2", "--json").json
        more = mine(server, "--target", "3", "--json").json
        assert len(server.requests) == 3
    assert (first["ended"], first["in_pool"], first["asked"]) == ("target", 2, 2)
    assert (again["ended"], again["in_pool"], again["asked"], again["looked_at"]) == ("target", 2, 0, 0)
    assert (more["in_pool"], more["added"], more["done_before"]) == (3, 1, 2)


def test_the_target_is_that_of_the_configuration(mine, config_file):
    path = config_file({"optimization": {"git_target": 4}})
    with serving(answering(routes)) as server:
        assert mine(server, "--config", path, "--json").json["in_pool"] == 4


def test_how_far_it_came_and_why_commits_gave_nothing_is_shown(mine, made):
    made.commit("wip", {"a.py": "1\n"})
    made.commit("Describe how orders are refused", {"notes.md": "1\n"})
    made.commit("Add a module under an old name", {os.fsdecode(b"\xe4.py"): "1\n"})
    made.commit("Rename a field in all the modules", {f"m{n}.py": "1\n" for n in range(21)})

    def some(asked):
        number = asked.inputs["subject"].split()[4]
        return {"1": {"examples": []}, "2": {"examples": [{"inputs": {}}]}}.get(number, routes(asked))

    bad = {"examples": [{"inputs": {"ticket": "t"}, "outputs": {"queue": "x"}, "category": "c", "difficulty": "easy"}]}
    with serving(answering(lambda asked: bad if "kind 3" in asked.inputs["subject"] else some(asked))) as server:
        ended = mine(server)
    assert ended.code == 0
    shown = " ".join(ended.out.split())
    assert "examples 3 of 100: no commits are left" in shown
    assert "commits looked at 10 0 of them done before" in shown
    for reason in (
        "work in progress 1",
        "no source file 1",
        "too many files 1",
        "no readable diff 1",
        "no example proposed 1",
        "unreadable 2",
    ):
        assert reason in shown


def test_commits_are_asked_about_once_also_those_that_gave_nothing(mine):
    with serving(answering(lambda _: {"examples": []})) as server:
        mine(server)
        mine(server)
        assert len(server.requests) == 6
        assert mine(server, "--again", "--json").json["asked"] == 6


def test_limits_bound_a_run_which_the_next_goes_on(mine):
    with serving(answering(routes)) as server:
        first = mine(server, "--max", "2", "--json").json
        second = mine(server, "--max-calls", "1", "--json").json
        last = mine(server, "--json").json
    assert [(each["ended"], each["asked"]) for each in (first, second, last)] == [
        ("commits", 2),
        ("calls", 1),
        ("history", 3),
    ]


@pytest.mark.parametrize("status", [401, 429, 500])
def test_an_lm_that_does_not_work_is_one_line_and_nothing_half_written(mine, pool, status, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # DSPy waits between its own attempts
    with serving(lambda _: Reply(status=status)) as server:
        ended = mine(server)
    assert ended.code == 1
    assert "start it again once the LM answers" in ended.error
    assert not pool.exists()


def test_an_lm_that_cannot_be_reached_is_one_line(mine, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    with serving(answering(routes)) as server:
        pass
    ended = mine(server)
    assert ended.code == 1
    assert "Connection refused" in ended.error


def test_what_was_made_before_the_lm_failed_stays_and_the_rest_follows(mine, pool, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    calls = []

    def tires(body):
        calls.append(body)
        return Reply(status=429) if len(calls) > 2 else answering(routes)(body)

    with serving(tires) as server:
        ended = mine(server)
    assert ended.code == 1
    assert "added now" in ended.out
    assert len(read_pool(pool).lines) == 2
    with serving(answering(routes)) as server:
        assert mine(server, "--json").json["added"] == 4
    assert len(read_pool(pool).lines) == 6


def test_a_refused_commit_gives_nothing_and_the_others_go_on(mine):
    def refuses(body):
        return Reply(status=400) if "kind 3" in str(body) else answering(routes)(body)

    with serving(refuses) as server:
        ended = mine(server, "--json")
    assert ended.json["nothing"] == {"refused": 1}
    assert ended.json["added"] == 5


def test_an_lm_that_only_talks_is_given_up(mine, pool):
    with serving(lambda _: Reply("I am sorry, I cannot help with that: my order")) as server:
        ended = mine(server)
    assert ended.code == 1
    assert "5 questions in a row gave nothing, the last: unreadable" in ended.error
    assert "my order" not in ended.error
    assert not pool.exists()


def test_a_program_of_ones_own_takes_what_it_needs(mine, pool):
    def guesses(asked):
        assert set(asked.inputs) == {"subject"}
        return {"ticket": asked.inputs["subject"], "queue": "bug"}

    with serving(answering(guesses)) as server:
        ended = mine(server, "--program", f"{TARGETS}:OwnMiner", "--json")
    assert ended.json["added"] == 6
    assert read_pool(pool).lines[0]["category"] == "own"


def test_a_program_that_raises_is_told_by_type_and_place(mine):
    with serving(answering(routes)) as server:
        ended = mine(server, "--program", f"{TARGETS}:Broken")
    assert ended.code == 1
    assert "program_failed (KeyError at targets.py:" in ended.error
    assert "payload" not in ended.error


def test_a_program_without_examples_in_its_answer_is_counted(mine):
    with serving(answering(routes)) as server:
        ended = mine(server, "--program", f"{TARGETS}:returns_nothing", "--json")
    assert (ended.json["nothing"], ended.json["unusable"]) == ({"no_examples": 6}, 6)
    assert ended.code == 1
    assert f"no answer of {MODEL} was of any use (no_examples 6)" in ended.error


def misfits(subject):
    del subject
    return {"examples": [{"inputs": {"other": 1}, "outputs": {"queue": "billing"}}]}


def test_commits_whose_answers_are_of_no_use_are_asked_about_again_three_times_in_all(mine, monkeypatch):
    asked = []

    def some(subject):
        asked.append(subject)
        kind = subject.split()[4]
        return misfits(subject) if kind in bad else {"examples": [{"ticket": subject, "queue": "bug"}]}

    bad = {"1", "2", "3"}
    monkeypatch.setattr(targets, "some", some, raising=False)
    program = ("--program", f"{TARGETS}:some", "--lm", MODEL)
    first = mine(None, *program)
    assert first.code == 0
    shown = " ".join(first.out.split())
    assert "answers of no use 3 the next run asks again about 3 of these commits" in shown
    assert "no example fits 3" in shown
    bad = {"2"}
    second = mine(None, *program, "--json")
    assert (second.code, second.json["added"], second.json["asked"], second.json["unusable"]) == (0, 2, 3, 1)
    assert second.json["asked_again"] == 1
    third = mine(None, *program, "--json")
    assert (third.code, third.json["asked"], third.json["asked_again"]) == (1, 1, 0)
    fourth = mine(None, *program, "--json")
    assert (fourth.code, fourth.json["asked"], fourth.json["done_before"]) == (0, 0, 6)
    assert [each.split()[4] for each in asked] == [*"543210", *"321", "2"]
    again = mine(None, *program, "--again", "--json").json
    assert (again["asked"], again["unusable"], again["asked_again"]) == (1, 1, 0)
    bad = set()
    assert mine(None, *program, "--again", "--json").json["added"] == 1


def test_an_lm_whose_answers_are_of_no_use_is_not_asked_about_all_commits(mine, made, monkeypatch):
    for n in range(6):
        made.commit(f"Refuse orders of sort {n} from abroad", {"a.py": f"sort = {n}\n"})
    monkeypatch.setattr(targets, "misfits", misfits, raising=False)
    ended = mine(None, "--program", f"{TARGETS}:misfits", "--lm", MODEL, "--json")
    assert (ended.code, ended.json["ended"], ended.json["asked"]) == (1, "unusable", 10)


def test_no_lm_is_one_line(mine):
    ended = mine(None)
    assert ended.code == 2
    assert "--lm: no LM is configured" in ended.error


def test_fields_come_from_examples_where_no_class_is_given(mine):
    with serving(answering(routes)) as server:
        assert "no example of it yet" in mine(server, signature="Route").error
        mine(server, "--max", "1")
        ended = mine(server, "--json", signature="Route")
    assert ended.json["in_pool"] == 6


def test_two_at_once_are_refused(mine):
    began, go_on = threading.Event(), threading.Event()

    def waits(asked):
        began.set()
        assert go_on.wait(60)
        return routes(asked)

    with serving(answering(waits)) as server:
        other = threading.Thread(target=mine, args=(server,))
        other.start()
        assert began.wait(60)
        ended = mine(server, "--program", f"{TARGETS}:returns_nothing")
        go_on.set()
        other.join(60)
    assert "another process makes such examples" in ended.error


def test_killed_in_the_middle_it_loses_only_the_running_commit_and_repeats_none(made, pool, tmp_path):
    asked = []

    def slow(body):
        asked.append(asked_by(body).inputs["subject"])
        if len(asked) == 4:
            stuck.set()
            go_on.wait(60)
        return answering(routes)(body)

    stuck, go_on = threading.Event(), threading.Event()
    with serving(slow) as server:
        arguments = ["dataset", "mine-git", "--signature", f"{TARGETS}:Route", "--repo", str(made.path)]
        run = [sys.executable, "-m", "headrace_consumers.cli", *arguments, "--lm", MODEL, "--api-base", server.url]
        environ = {"OPENAI_API_KEY": "none", "PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(run, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert stuck.wait(120)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert len(read_pool(pool).lines) == 3
        go_on.set()
        done = subprocess.run(run, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    assert len({line["metadata"]["commit"] for line in read_pool(pool).lines}) == len(read_pool(pool).lines) == 6
    assert sorted(asked) == sorted([*dict.fromkeys(asked), asked[3]])  # only the one that ran was asked twice
