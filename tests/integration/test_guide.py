"""docs/guide.md: each file in it is written and run as it stands, and its table says what the configuration says."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from headrace.config import Config
from headrace_schemas import keys
from tests.support.openai_server import chat, serving
from tests.support.version_folders import example_line, write_version
from tests.support.waiting import wait_until

GUIDE = (Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", GUIDE, re.DOTALL))
ROWS = re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", GUIDE, re.MULTILINE)


@pytest.fixture(scope="module")
def model():
    with serving(chat(reasoning="I looked.", answer="It is on its way.")) as server:
        yield server


class Service:
    """The guide's files in a folder, and what runs a command there."""

    def __init__(self, folder, model_url):
        self._folder = folder
        for name, text in FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "OPENAI_"))}
        self._environment = {
            **kept,
            "HEADRACE_CONFIG": "headrace.json",
            "OPENAI_API_BASE": model_url,
            "OPENAI_API_KEY": "none",
            "DSPY_CACHEDIR": str(folder / "cache"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def run(self, *command):
        return subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def add_version(self, splits, signature, fields_hash):
        write_version(self._folder / "training_data", splits, signature=signature, fields_hash=fields_hash)

    def start(self, *command):
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def lines(self, name="logs/dspy_production.jsonl"):
        path = self._folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def service(tmp_path, model):
    return Service(tmp_path, model.url)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def post(url):
    with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
        return answer.headers, answer.read().decode()


def answers(url):
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def test_every_file_of_the_guide_is_run_here():
    source = Path(__file__).read_text(encoding="utf-8")
    libraries = {"headrace.json", "support.py", "conftest.py"}
    assert [name for name in FILES if name not in libraries and name.removesuffix(".py") not in source] == []
    assert len(FILES) == len(re.findall(r"^```(?:python|json)$", GUIDE, re.MULTILINE))


def test_the_first_commands(service):
    (commands,) = re.findall(r"<!-- run -->\n```sh\n(.*?)```\n", GUIDE, re.DOTALL)
    for command in commands.splitlines():
        ended = service.run(*command.split())
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_fastapi(service):
    port = free_port()
    server = service.start(sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning")
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(base), "the service", timeout_s=60)
        headers, body = post(f"{base}/ask?question=where")
        assert json.loads(body) == {"answer": "It is on its way."}
        request_id = headers["x-request-id"]
        post(f"{base}/feedback/{request_id}?score=1&comment=mail+ann@example.com")
        with pytest.raises(urllib.error.HTTPError, match="422"):
            post(f"{base}/feedback/{request_id}?score=7")
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=60)
    assert {record["request_id"] for record in service.lines()} == {request_id}, said
    (feedback,) = service.lines("logs/dspy_production.feedback.jsonl")
    assert (feedback["request_id"], feedback["comment"]) == (request_id, "mail [EMAIL]")


@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_gunicorn(service, preload):
    port = free_port()
    command = ["gunicorn", "--workers", "2", *preload, "--bind", f"127.0.0.1:{port}", "--no-control-socket", "wsgi"]
    if "--no-control-socket" not in service.run("gunicorn", "--help").stdout:
        command.remove("--no-control-socket")
    server = service.start(*command)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{base}?question=ready"), "the service", timeout_s=60)
        for number in range(10):
            with urllib.request.urlopen(f"{base}?question=n{number}") as answer:
                assert answer.read() == b"It is on its way."
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=60)
    asked = [line["input"]["question"] for line in service.lines() if line["parent_event_id"] is None]
    assert sorted(set(asked) - {"ready"}) == sorted(f"n{number}" for number in range(10)), said


@pytest.mark.parametrize(
    ("name", "said", "roots"),
    [
        ("notebook.py", "It is on its way.", 0),
        ("batch.py", "delivered in time: True\nlost: {}", 2),
        ("worker.py", "", 1),
        ("careful.py", "", 0),
        ("rates.py", "", 1),
    ],
)
def test_programs(service, name, said, roots):
    ended = service.run(sys.executable, name)
    assert (ended.returncode, ended.stdout.strip()) == (0, said), ended.stderr
    assert len([line for line in service.lines() if line["parent_event_id"] is None]) == roots


def test_what_is_not_captured_is_counted_unless_suppressed(service):
    service.run(sys.executable, "careful.py")
    assert service.lines("logs/dspy_production.statistics.jsonl")[-1]["calls"][0]["calls"] == 1


def test_a_lambda_function_has_delivered_when_it_returns(service):
    code = (
        "import os, lambda_function\n"
        "print(lambda_function.handler({'request_id': 'r-1', 'question': 'why?'}, None)['answer'], flush=True)\n"
        "os._exit(0)  # frozen, never to wake\n"
    )
    ended = service.run(sys.executable, "-c", code)
    assert ended.stdout == "It is on its way.\n", ended.stderr
    assert {line["request_id"] for line in service.lines()} == {"r-1"}


def test_own_tests(service):
    ended = service.run(
        sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", "test_support.py"
    )
    assert ended.returncode == 0, ended.stdout
    assert "4 passed" in ended.stdout
    assert service.lines() == []


def test_optimize(service):
    right = "It is on its way."
    lines = [example_line({"question": f"where {n}"}, {"answer": right}, label="corrected") for n in range(8)]
    fields = keys.fields_hash([("input", "question", "str"), ("output", "answer", "str")])
    service.add_version({"train": lines[:6], "test": lines[6:]}, "support.respond.predict", fields)
    ended = service.run(sys.executable, "optimize.py")
    assert (ended.returncode, ended.stdout) == (0, "6 100.0\n"), ended.stderr


def test_metrics(service):
    ended = service.run(sys.executable, "metrics.py")
    assert 'headrace_producer_call_duration_seconds_count{arm="",module="support"' in ended.stdout, ended.stderr


def leaves(values, path=""):
    for name, value in values.items():
        key = f"{path}{name}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{key}.")
        else:
            yield key, value


def test_the_table_has_each_setting_of_a_service_with_its_default():
    defaults = dict(leaves(Config().model_dump(mode="json")))
    assert {key: json.loads(default) for key, default in ROWS} == {
        key: defaults.get(key, "no such key") for key, _ in ROWS
    }
    named = {key for key, _ in ROWS}
    assert {key for key in defaults if key.startswith(("telemetry.", "spool."))} - named == set()
