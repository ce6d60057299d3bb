"""For how long no broker has answered, by statistics as librdkafka writes them."""

import json

import pytest

from headrace_consumers.monitoring.broker_silence import SILENT_S, BrokerSilence, answered_us_ago

S = 1_000_000


def statistics(at_s: float, **brokers: tuple[str, float]) -> str:
    """Return statistics of a client that began at 100 s."""
    connections = {name: {"state": state, "rxidle": int(idle_s * S)} for name, (state, idle_s) in brokers.items()}
    return json.dumps({"ts": int(at_s * S), "age": int((at_s - 100) * S), "brokers": connections})


def test_the_broker_that_answered_last_counts() -> None:
    silence = BrokerSilence()
    assert silence.seconds == 0
    silence.take(statistics(110, one=("UP", 7), two=("UP", 0.25), coordinator=("UP", 2)))
    assert silence.seconds == 0.25


@pytest.mark.parametrize(
    ("state", "idle_s"),
    [("DOWN", 3), ("CONNECT", 3), ("AUTH_REQ", 0.1), ("TRY_CONNECT", 3), ("INIT", 3), ("UP", -1e-6)],
)
def test_a_connection_on_which_nothing_is_answered_tells_nothing(state: str, idle_s: float) -> None:
    assert answered_us_ago(json.loads(statistics(110, one=(state, idle_s)))) is None


def test_a_broker_that_went_is_silent_since_its_last_answer_and_back_at_once() -> None:
    silence = BrokerSilence()
    silence.take(statistics(110, one=("UP", 1)))
    silence.take(statistics(109 + SILENT_S, one=("CONNECT", -1)))
    assert (silence.seconds, silence.is_long) == (SILENT_S, False)
    silence.take(statistics(120 + SILENT_S, one=("CONNECT", -1)))
    assert (silence.seconds, silence.is_long) == (SILENT_S + 11, True)
    silence.take(statistics(122 + SILENT_S, one=("UP", 0)))
    assert (silence.seconds, silence.is_long) == (0, False)


def test_a_connection_that_stands_and_delivers_nothing_is_silence_too() -> None:
    silence = BrokerSilence()
    silence.take(statistics(150, one=("UP", 41)))
    assert (silence.seconds, silence.is_long) == (41, True)


def test_a_client_that_never_had_an_answer_is_cut_off_since_it_began() -> None:
    silence = BrokerSilence()
    silence.take(statistics(140, one=("CONNECT", -1)))
    assert silence.seconds == 40


def test_statistics_that_waited_for_a_busy_loop_are_of_their_own_time() -> None:
    """A loop that was busy for a minute takes in thirty at once: the newest says how it is."""
    silence = BrokerSilence()
    for at_s in range(110, 120, 2):
        silence.take(statistics(at_s, one=("UP", 1)))
    for at_s in range(120, 170, 2):
        silence.take(statistics(at_s, one=("CONNECT", -1)))
    assert silence.seconds == 168 - 117
