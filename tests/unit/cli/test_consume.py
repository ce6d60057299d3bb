"""`headrace consume dataset`: signals, what it prints; the consumer itself has its own tests."""

import os
import signal
import threading

from headrace_consumers.cli.consume import stop_on_signals, tally_lines


def test_the_first_signal_stops_in_order_and_the_second_at_once():
    stop, exits = threading.Event(), []
    with stop_on_signals(stop, exit_now=exits.append):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        assert exits == []
        os.kill(os.getpid(), signal.SIGINT)
    assert exits == [128 + signal.SIGINT]


def test_the_former_handlers_come_back():
    former = signal.getsignal(signal.SIGINT)
    with stop_on_signals(threading.Event()):
        assert signal.getsignal(signal.SIGINT) is not former
    assert signal.getsignal(signal.SIGINT) is former


def test_the_summary_is_aligned_and_names_reasons_by_size():
    lines = tally_lines(
        {
            "consumed": 12_345,
            "kept": 10_000,
            "duplicates": 2_000,
            "outcomes": 0,
            "rejected": {"latency_ms": 45, "success": 299},
            "dead_letters": {"undecodable": 1},
            "unknown": {},
            "commits": 7,
        }
    )
    assert lines == [
        "consumed      12,345",
        "kept          10,000",
        "duplicates     2,000",
        "rejected         344  success 299, latency_ms 45",
        "outcomes           0",
        "dead letters       1  undecodable 1",
        "unknown            0",
        "commits            7",
    ]


def test_without_a_broker_configured_it_says_what_to_set(command):
    ended = command("consume", "dataset", "--idle-exit-s", "1", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "kafka.bootstrap_servers" in ended.error


def test_a_negative_idle_time_is_refused(command):
    ended = command("consume", "dataset", "--idle-exit-s", "-1")
    assert ended.code == 2
    assert "--idle-exit-s" in ended.error
