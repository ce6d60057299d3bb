"""How a signal ends a command: in order, within a bound, or at once."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from headrace_consumers.cli.signals import stop_on_signals
from tests.support.waiting import wait_until

_HANGS = """
import ctypes, sys, threading
from headrace_consumers.cli.signals import stop_on_signals
stop = threading.Event()
threading.Thread(target=lambda: stop.wait() and print("told", flush=True), daemon=True).start()
with stop_on_signals(stop, within_s=float(sys.argv[1])):
    print("begun", flush=True)
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # the second waits for ever, and no signal interrupts it
        ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""

_HOLDS_PYTHONS_LOCK = """
import ctypes, sys, threading
from headrace_consumers.cli.signals import stop_on_signals
stop = threading.Event()
with stop_on_signals(stop, within_s=0.2):
    print("begun", flush=True)
    stop.wait()
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):  # the second waits for ever, and no other thread of Python's runs
        ctypes.PyDLL(None).pthread_mutex_lock(mutex)
"""

_CANNOT_SAY_SO = """
import os, sys, threading
from headrace_consumers.cli.signals import stop_on_signals
with stop_on_signals(threading.Event(), within_s=0.2):
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(2, True)
    print("begun", flush=True)
    threading.Event().wait()
"""


def no_alarm(after_s):
    """Let pytest live."""


def test_the_first_signal_stops_in_order_and_the_second_at_once():
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exits.append, no_alarm):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
        assert exits == []
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: exits, "the end")
    assert exits == [128 + signal.SIGINT]


def test_two_signals_that_come_together_are_two():
    exits = []
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        with stop_on_signals(threading.Event(), exits.append, no_alarm):
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})  # both are delivered here
            wait_until(lambda: exits, "the end")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    assert exits[0] in {128 + signal.SIGTERM, 128 + signal.SIGINT}


def test_the_former_handlers_come_back():
    former = signal.getsignal(signal.SIGINT)
    with stop_on_signals(threading.Event()):
        assert signal.getsignal(signal.SIGINT) is not former
    assert signal.getsignal(signal.SIGINT) is former
    assert signal.set_wakeup_fd(-1) == -1


def test_work_that_takes_too_long_is_left_with_one_line(capsys):
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exits.append, no_alarm, within_s=0.05):
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: exits, "the end")
    assert exits == [1]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "left at once, which is safe" in said


def test_an_end_of_the_process_that_takes_too_long_is_no_failure_of_the_work(capsys):
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exits.append, no_alarm, within_s=0.2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
    wait_until(lambda: exits, "the end")
    assert exits == [0]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("within_s", "signals", "code"), [("0.2", 1, 1), ("600", 2, 128 + signal.SIGTERM)])
def test_it_holds_while_a_library_hangs(within_s, signals, code):
    command = [sys.executable, "-c", _HANGS, within_s]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as hanging:
        assert hanging.stdout.readline() == "begun\n"
        hanging.send_signal(signal.SIGTERM)
        assert hanging.stdout.readline() == "told\n"
        if signals > 1:
            hanging.send_signal(signal.SIGTERM)
        _, said = hanging.communicate(timeout=60)
    assert hanging.returncode == code
    assert "Traceback" not in said


@pytest.mark.parametrize("program", [_HOLDS_PYTHONS_LOCK, _CANNOT_SAY_SO])
def test_the_kernel_ends_a_process_that_cannot_end_itself(program):
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as hanging:
        assert hanging.stdout.readline() == "begun\n"
        hanging.send_signal(signal.SIGTERM)
        assert hanging.wait(60) == -signal.SIGALRM


PROGRAM = """
import atexit, os, signal, sys, threading
from headrace_consumers.cli import app
from headrace_consumers.cli.signals import stop_on_signals

@app.app.command("work")
def work(told: bool = False):
    stop = threading.Event()
    atexit.register(print, "taken apart")
    with stop_on_signals(stop):
        if told:
            os.kill(os.getpid(), signal.SIGTERM)
            stop.wait()
    print("done")

sys.exit(app.main())
"""


@pytest.mark.parametrize(("arguments", "said"), [([], "done\ntaken apart\n"), (["--told"], "done\n")])
def test_after_a_signal_nobody_waits_for_the_end_of_the_interpreter(arguments, said):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "work", *arguments], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, said, "")
