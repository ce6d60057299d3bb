"""Label values come from services; how many series they make is bounded, and sums stay right."""

from headrace_consumers.metrics.labels import MAX_KINDS, SILENT_S, Labels
from headrace_consumers.statistics.series import Key

_NAME = "headrace_call_errors_total"


def _error(module: str, error: str) -> Key:
    return _NAME, (module, "v1", "Triage", "production", error)


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_first_modules_keep_their_names_and_the_rest_is_other() -> None:
    labels = Labels(_Clock(), max_series=2)
    assert [labels.place(_error(name, "E"))[1][0] for name in ("a", "b", "c", "a", "d")] == [
        "a",
        "b",
        "other",
        "a",
        "other",
    ]
    assert labels.place(_error("c", "E"))[1] == ("other", "other", "other", "other", "E")
    assert labels.overflow == {_NAME: 3}


def test_other_metrics_have_limits_of_their_own() -> None:
    labels = Labels(_Clock(), max_series=1)
    labels.place(_error("a", "E"))
    dropped: Key = ("headrace_records_dropped_total", ("shop", "production", "exit"))
    assert labels.place(dropped) == dropped


def test_kinds_of_one_module_are_bounded_too() -> None:
    labels = Labels(_Clock())
    kinds = [labels.place(_error("a", f"E{number}"))[1][-1] for number in range(MAX_KINDS + 5)]
    assert kinds == [*(f"E{number}" for number in range(MAX_KINDS)), *["other"] * 5]
    assert labels.place(_error("b", "E99"))[1][-1] == "E99"


def test_of_too_many_models_both_kinds_of_tokens_remain() -> None:
    labels = Labels(_Clock())
    whose = ("a", "v1", "Triage", "production")
    for number in range(MAX_KINDS):
        labels.place(("headrace_tokens_total", (*whose, f"m{number}", "input")))
    assert labels.place(("headrace_tokens_total", (*whose, "more", "output")))[1][-2:] == ("other", "output")


def test_a_series_that_was_silent_for_a_day_makes_room() -> None:
    clock, silent = _Clock(), []
    labels = Labels(clock, max_series=2, on_silent=silent.append)
    labels.place(_error("a", "E"))
    labels.place(_error("a", "F"))
    clock.now = SILENT_S
    labels.place(_error("b", "E"))
    assert labels.place(_error("c", "E"))[1][0] == "c"
    assert sorted(silent) == [_error("a", "E"), _error("a", "F")]
    assert labels.place(_error("d", "E"))[1][0] == "other"


def test_other_takes_no_place_of_a_series_with_a_name() -> None:
    clock = _Clock()
    labels = Labels(clock, max_series=2)
    placed = [labels.place(_error(name, "E"))[1][0] for name in ("a", "b", "c")]
    clock.now = SILENT_S
    placed += [labels.place(_error(name, "E"))[1][0] for name in ("d", "e", "f")]
    assert placed == ["a", "b", "other", "d", "e", "other"]


def test_a_value_of_any_length_is_a_label() -> None:
    assert len(Labels(_Clock()).place(_error("a", "E" * 9_000))[1][-1]) == 128
