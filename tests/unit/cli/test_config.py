"""`headrace config show|check`."""

from pathlib import Path

import pytest

from headrace_schemas import latency


def test_check_without_a_file_is_ok(command):
    ended = command("config", "check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "ok: no file; environment and defaults\n"


def test_check_has_nothing_to_say_of_the_documents_file(command):
    path = Path(__file__).parents[2] / "fixtures" / "monitoring_config.json"
    ended = command("config", "check", "--config", path)
    assert (ended.code, ended.out.splitlines()) == (0, [f"ok: {path}"])


def test_check_notes_a_burn_rate_that_no_outage_reaches(command, config_file):
    path = config_file({"quality_thresholds": {"min_success_rate": 0.9}})
    ended = command("config", "check", "--config", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"ok: {path}",
        "alerts.burn_rates.0: 14.4 times the budget of 10% is over 100% of the calls, so there is no such rule",
    ]


def test_check_finds_the_file_that_the_environment_names(command, config_file, monkeypatch):
    path = config_file({"optimization": {"schedule": "monthly"}})
    monkeypatch.setenv("HEADRACE_CONFIG", str(path))
    ended = command("config", "check", "--json")
    assert ended.json == {"ok": True, "file": str(path), "notes": []}


@pytest.mark.parametrize("bound_s", latency.BOUNDS_S)
def test_a_threshold_at_a_bound_of_the_histogram_is_ok_and_a_filter_may_have_any(command, config_file, bound_s):
    values = {
        "quality_thresholds": {"max_latency_p99_ms": bound_s * 1000},
        "filters": {"default": {"max_latency_ms": 2500}},
    }
    assert command("config", "check", "--config", config_file(values)).code == 0


@pytest.mark.parametrize(("found_ms", "nearest"), [(2500, "2560"), (1, "10"), (4000, "5000"), (10**7, "81920")])
def test_a_threshold_between_bounds_names_the_nearest(command, config_file, found_ms, nearest):
    ended = command(
        "config", "check", "--config", config_file({"quality_thresholds": {"max_latency_p99_ms": found_ms}})
    )
    assert ended.code == 2
    assert f"so that slower calls are counted exactly; the nearest is {nearest} (all: 10, 20, " in ended.error


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"telemetry": {"sampling_rate": 10}}, "did you mean telemetry.sampling_rate_pct?"),
        (
            {"kafka": {"options": {"socket.timeot.ms": 1}}},
            "kafka.options: librdkafka refuses it: No such configuration",
        ),
        ({"kafka": {"producer_options": {"linger": 1}}}, "kafka.producer_options: librdkafka refuses it"),
        ({"kafka": {"consumer_options": {"fetch.min.bytes": "lots"}}}, "kafka.consumer_options: librdkafka refuses it"),
        (
            {"quality_thresholds": {"max_latency_p99_ms": 2500}},
            "quality_thresholds.max_latency_p99_ms: found 2500, expected a bound of the latency histogram",
        ),
    ],
    ids=["key", "shared option", "producer option", "consumer option", "threshold"],
)
def test_check_of_a_configuration_that_cannot_work_is_one_line_and_2(command, config_file, values, expected):
    ended = command("config", "check", "--config", config_file(values), "--json")
    assert (ended.code, ended.out) == (2, "")
    assert expected in ended.error


def test_check_connects_to_nothing(command, config_file):
    # Port 9 answers nothing; with an address, librdkafka would log its failure to connect.
    path = config_file({"kafka": {"bootstrap_servers": "127.0.0.1:9", "options": {"bootstrap.servers": "127.0.0.1:9"}}})
    ended = command("config", "check", "--config", path)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"ok: {path}\n"


def test_check_repeats_what_librdkafka_remarks(command, config_file):
    path = config_file({"kafka": {"consumer_options": {"linger.ms": 5}}})
    ended = command("config", "check", "--config", path)
    assert ended.code == 0
    assert "kafka.consumer_options: Configuration property queue.buffering.max.ms is a producer property" in ended.out


def test_show_is_the_effective_configuration(command, config_file, monkeypatch):
    monkeypatch.setenv("HEADRACE_TELEMETRY__SAMPLING_RATE_PCT", "25")
    path = config_file({"telemetry": {"sampling_rate_pct": 5, "environment": "staging"}})
    shown = command("config", "show", "--config", path, "--json").json
    assert shown["telemetry"]["sampling_rate_pct"] == 25
    assert shown["telemetry"]["environment"] == "staging"
    assert shown["dataset"]["commit_interval_s"] == 5
    lines = command("config", "show", "--config", path).out.splitlines()
    assert ["telemetry.environment", '"staging"'] in [line.split() for line in lines]


def test_show_never_prints_a_secret(command, config_file):
    path = config_file({"kafka": {"options": {"sasl.password": "hunter2-hunter2"}}})
    for arguments in ([], ["--json"]):
        ended = command("config", "show", "--config", path, *arguments)
        assert ended.code == 0
        assert "hunter2" not in ended.out
        assert "sasl.password" in ended.out


def test_a_missing_file_is_one_line(command, tmp_path):
    ended = command("config", "show", "--config", tmp_path / "none.json")
    assert ended.code == 2
    assert "none.json: cannot read the configuration (No such file or directory)" in ended.error


def test_check_imports_filters_and_scorers_of_the_users_own(command, config_file):
    own = "tests.unit.consumers.own_callables"
    good = {"default": {"own_filters": [f"{own}:is_polite"]}, "signatures": {"S": {"scorer": f"{own}:by_length"}}}
    assert command("config", "check", "--config", config_file({"filters": good})).code == 0
    ended = command(
        "config", "check", "--config", config_file({"filters": {"signatures": {"S": {"scorer": "no:way"}}}})
    )
    assert ended.code == 2
    assert "filters: no:way: cannot be imported (ModuleNotFoundError: No module named 'no')" in ended.error
