"""`headrace ui` as its user starts and ends it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def page(tmp_path):
    """Start the command in an empty folder; yield the process and the first line that it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace_consumers.cli", "ui", "--port", "0", "--log-format", "json"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_the_first_line_is_the_address_and_ctrl_c_ends_it(page):
    process, line = page
    port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", line)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/trace?id=somebodys-words")
    response = connection.getresponse()
    assert (response.status, b"somebodys-words" in response.read()) == (200, True)
    connection.close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert "somebodys-words" not in err


def test_elsewhere_it_needs_a_token(command):
    ended = command("ui", "--host", "0.0.0.0")
    assert ended.code == 2
    assert ended.error.startswith("--host 0.0.0.0: others would see what was captured; set web.token")


def test_a_port_that_is_taken_is_one_line(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("ui", "--port", port)
    assert ended.code == 2
    assert ended.error.startswith(f"--port: cannot listen on 127.0.0.1:{port} (")


def test_a_token_that_is_not_there_is_one_line(command, config_file):
    path = config_file({"web": {"token": "env:NO_SUCH_TOKEN"}})
    ended = command("ui", "--config", path)
    assert (ended.code, "web.token: the environment variable NO_SUCH_TOKEN holds no token" in ended.error) == (2, True)
