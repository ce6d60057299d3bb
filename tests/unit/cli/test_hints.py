"""A command that people are told to run has the options that they gave, and can be run as it is printed."""

import shlex

import pytest

from headrace_consumers.cli.hints import giving, options_in, runnable
from headrace_consumers.versions.sources.pool import Pool, pool_path


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["dataset", "cut", "--root", "a b", "-c", "x.json"], {"--root": "a b", "--config": "x.json"}),
        (["--root=a", "--config=b", "--signature=S"], {"--root": "a", "--config": "b", "--signature": "S"}),
        (["dataset", "cut", "-s"], {}),
        (["versions", "ls", "--", "--root", "a"], {}),
    ],
)
def test_the_options_of_a_command_line(arguments, found):
    assert options_in(arguments) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("do headrace dataset mine-git -s T", "do headrace dataset mine-git --root 'a b' --config c -s T"),
        ("headrace versions show, or", "headrace versions show --signature S --root 'a b' --config c, or"),
        ("headrace versions ls names them", "headrace versions ls --root 'a b' --config c names them"),
        ("x; headrace dataset verify tells", "x; headrace dataset verify --config c tells"),
        ("headrace doctor says", "headrace doctor --config c says"),
        ("headrace versions ls --root d, or so", "headrace versions ls --config c --root d, or so"),
        ("see headrace dataset cut --help", "see headrace dataset cut --help"),
        ("made by headrace 0.1.0, headrace is here, headrace.load_dataset(x)", None),
        ("no command in it", None),
    ],
)  # fmt: skip
def test_each_command_gets_those_that_it_has(text, told):
    assert runnable(text) == text
    with giving(["dataset", "cut", "-s", "S", "--root", "a b", "--config", "c"]):
        assert runnable(text) == (told or text)
    assert runnable(text) == text


def waits(folder):
    made = {"category": None, "difficulty": None, "timestamp_ms": 1, "metadata": {}}
    pool = Pool(pool_path(folder, "My.triage", "import"))
    pool.append([{"inputs": {"q": f"{n}"}, "outputs": {"a": "b"}, **made} for n in range(9)])


def test_what_a_cut_says_to_do_can_be_run_as_it_is_printed(command, config_file, tmp_path):
    config = config_file({"optimization": {"telemetry_target": 50, "prompt_lm": "openai/my own"}})
    root = tmp_path / "other place"
    waits(root)
    arguments = ("-s", "My.triage", "--root", root, "--config", config)
    ended = command("dataset", "cut", *arguments)
    assert ended.code == 0
    lines = [line.split("-> ")[1] for line in ended.out.splitlines() if "-> headrace" in line]
    assert [shlex.split(line) for line in lines] == [
        ["headrace", "dataset", name, "--root", str(root), "--config", str(config), "--signature", "My.triage", *more]
        for name, more in (
            ("mine-git", ["--repo", ".", "--lm", "openai/my own"]),
            ("synthesize", ["--lm", "openai/my own"]),
        )
    ]
    assert f"headrace dataset why --config {config} -s My.triage" in ended.out
    for line in lines:  # the options are understood: it is the repository, or the LM, that is not there
        assert "see headrace" not in command(*shlex.split(line)[1:], "--target", "0").err
    told = command("dataset", "cut", *arguments, "--json").json["targets"]
    assert [each["to_do"] for each in told if each["source"] != "telemetry"] == [[line] for line in lines]
    (root / "My.triage" / "latest").unlink()
    hint = f"headrace versions rollback --root '{root}' -s My.triage makes one of them"
    assert hint in command("versions", "ls", "--root", root).out
    failed = command("versions", "show", "--root", root, "-s", "My.triage").error
    assert f"headrace versions rollback --root '{root}' --signature My.triage makes one of them" in failed
