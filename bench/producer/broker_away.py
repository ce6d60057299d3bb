"""What a call notices of Kafka's troubles: `python -m bench.producer.broker_away [--rounds 10]`.

Every call is sampled. p50 and p99 over all calls of all rounds, in turn with bare DSPy, for an LM that answers at once
and for one that takes 20 ms, which is still fast for one.
"""

import argparse
import os
import platform
import statistics
from collections.abc import Mapping
from contextlib import ExitStack

from bench.producer import brokers
from bench.producer.fleet import BARE, Case, Fleet, Measured, quantile
from bench.producer.programs import PROGRAMS

SLOW_MS = 1000
SAMPLED = "headrace, sampled"


def _table(results: Mapping[str, Measured]) -> str:
    bare = sorted(us for each_us in results[BARE].each_us for us in each_us)
    lines = [f"{'':26}{'calls':>7}{'p50 us':>11}{'ratio':>8}{'p99 us':>11}{'ratio':>8}{'p99 by round':>14}"]
    for name, result in results.items():
        mine = [us for each_us in result.each_us for us in each_us]
        p50, p99 = quantile(mine, 0.5), quantile(mine, 0.99)
        by_round = statistics.median(
            quantile(each_us, 0.99) / quantile(base_us, 0.99)
            for each_us, base_us in zip(result.each_us, results[BARE].each_us, strict=True)
        )
        lines.append(
            f"{name:26}{len(mine):7}{p50:11.1f}{p50 / quantile(bare, 0.5):8.3f}"
            f"{p99:11.1f}{p99 / quantile(bare, 0.99):8.3f}{by_round:14.3f}"
        )
    lines += [f"  {name}: {result.account}" for name, result in results.items() if result.account]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="rounds in turn (default: %(default)s)")
    parser.add_argument("--latencies-ms", nargs="*", type=float, default=[0, 20], help="of the LM")
    parser.add_argument("--program", default="predict", choices=list(PROGRAMS))
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {arguments.program}, every call sampled")
    with ExitStack() as stack:
        addresses = {
            "broker refuses": stack.enter_context(brokers.refusing()),
            "broker is silent": stack.enter_context(brokers.silent()),
            "broker is unreachable": brokers.UNREACHABLE,
            f"broker answers in {SLOW_MS} ms": stack.enter_context(brokers.slow(SLOW_MS)),
            "broker answers at once": stack.enter_context(brokers.slow(0)),
        }
        cases = [Case(BARE, BARE), Case("no Kafka, a file", SAMPLED)]
        cases += [Case(name, SAMPLED, {"BENCH_KAFKA": address}) for name, address in addresses.items()]
        for latency_ms in arguments.latencies_ms:
            print(f"\nLM latency {latency_ms:g} ms, {arguments.rounds} rounds in turn", flush=True)
            fleet = Fleet(cases, program=arguments.program, delay_s=latency_ms / 1000)
            budget_s = max(0.15, latency_ms / 1000 * 100)
            print(_table(fleet.run(arguments.rounds, each=True, budget_s=budget_s)))


if __name__ == "__main__":
    main()
