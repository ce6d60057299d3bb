"""A service without Kafka that Prometheus scrapes itself; it calls until stdin ends.

python -m tests.e2e.logging_service CONFIG        prints the port of its /metrics
"""

import sys
import threading

import dspy
from prometheus_client import start_http_server

import headrace
import headrace.prometheus

PAUSE_S = 0.05


class Echo(dspy.Module):
    """Answers without a language model."""

    def forward(self, question: str) -> dspy.Prediction:
        return dspy.Prediction(answer=question)


def main(config_path: str) -> None:
    """Serve the registry, and call."""
    headrace.configure(config_path)
    headrace.prometheus.register()
    server, _ = start_http_server(0, "127.0.0.1")
    echo = headrace.instrument(Echo(), name="echo", version="v1")
    ended = threading.Event()

    def call() -> None:
        number = 0
        while not ended.wait(PAUSE_S):
            echo(question=f"question {number}")
            number += 1

    caller = threading.Thread(target=call)
    caller.start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    ended.set()
    caller.join()


if __name__ == "__main__":
    main(sys.argv[1])
