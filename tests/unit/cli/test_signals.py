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


def test_the_first_signal_stops_in_order_and_the_second_at_once():
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exit_now=exits.append):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        assert exits == []
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: exits, "the end")
    assert exits == [128 + signal.SIGINT]


def test_the_former_handlers_come_back():
    former = signal.getsignal(signal.SIGINT)
    with stop_on_signals(threading.Event()):
        assert signal.getsignal(signal.SIGINT) is not former
    assert signal.getsignal(signal.SIGINT) is former
    assert signal.set_wakeup_fd(-1) == -1


def test_work_that_takes_too_long_is_left_with_one_line(capsys):
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exit_now=exits.append, within_s=0.05):
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(lambda: exits, "the end")
    assert exits == [1]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "left at once, which is safe" in said


def test_an_end_of_the_process_that_takes_too_long_is_no_failure_of_the_work(capsys):
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exit_now=exits.append, within_s=0.2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
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
        _, said = hanging.communicate(timeout=20)
    assert hanging.returncode == code
    assert "Traceback" not in said
