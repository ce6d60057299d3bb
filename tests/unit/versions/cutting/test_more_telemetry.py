"""What to change where telemetry is short: what the rows say comes before the configuration at hand."""

import pytest

from headrace.config import load
from headrace_consumers.versions.cutting.targets import targets
from headrace_consumers.versions.reading.telemetry import FromTables
from headrace_schemas.dataset_manifest import SplitFigures
from headrace_schemas.names import to_valid_name

SIGNATURE = "My.Triage"
MAKE = f"headrace dataset synthesize -s {SIGNATURE} --lm openai/gpt-4o-mini"


def told(*, telemetry=None, module=None, found=10, times_seen=10, **rows):
    """What is told where so many examples are found; the rows' counts as FromTables has them."""
    named = {} if module is None else {SIGNATURE: {"program": "package.module:Program", "module": module}}
    optimization = {"telemetry_target": 50, "signatures": named}
    config = load(None, {"telemetry": telemetry or {}, "optimization": optimization}, {})
    train = SplitFigures(examples=found, sources={"telemetry": found}, labels={}, difficulties={}, categories={})
    read = FromTables(**rows)
    (target, *_) = targets(config, SIGNATURE, {"train": train}, read, times_seen=times_seen, set_aside={})
    assert (target.source, target.found) == ("telemetry", found)
    return target.to_do


def rate_of(to_do):
    """The line on the rate; None: there is none."""
    lines = [line for line in to_do if line.startswith("sample more: ")]
    assert lines in ([], [to_do[0]])
    return lines[0].removeprefix("sample more: ") if lines else None


@pytest.mark.parametrize(
    ("telemetry", "setting"),
    [
        ({"sampling_rate_pct": 3}, "telemetry.sampling_rate_pct"),
        ({"sampling_rate_pct": 100}, "telemetry.sampling_rate_pct"),
        ({"modules": {"support": {"sampling_rate_pct": 100}}}, "telemetry.modules.support.sampling_rate_pct"),
        ({"modules": {"another": {"sampling_rate_pct": 100}}}, "telemetry.sampling_rate_pct"),
        ({"modules": {"support": {"enabled": True}}}, "telemetry.sampling_rate_pct"),
    ],
)
def test_the_rows_tell_at_which_rate_they_were_sampled_not_the_configuration_at_hand(telemetry, setting):
    to_do = told(telemetry=telemetry, module="another", module_names={"support": 10}, inclusion_probabilities={0.5: 10})
    assert rate_of(to_do) == f"these calls were sampled at 50%; raise the service's {setting}"


@pytest.mark.parametrize(("share", "rate"), [(0.07, "7%"), (0.001, "0.1%"), (0.9999, "99.99%"), (1 / 3, "33.33%")])
def test_a_rate_is_told_as_people_write_it(share, rate):
    to_do = told(module_names={"support": 10}, inclusion_probabilities={share: 10})
    assert f" sampled at {rate}; " in rate_of(to_do)


def test_where_the_rate_has_changed_both_and_the_share_of_all_calls_are_told():
    to_do = told(module_names={"support": 6}, inclusion_probabilities={1.0: 5, 0.1: 1})  # six rows of fifteen calls
    assert " sampled at 10% to 100%, 40% of all; " in rate_of(to_do)


def test_each_module_that_asks_with_the_signature_is_named_by_its_own_setting():
    to_do = told(
        telemetry={"modules": {"my support": {"sampling_rate_pct": 5}}},
        module_names={to_valid_name("my support"): 4, "second": 3, "third": 3},
        inclusion_probabilities={0.1: 10},
    )
    assert rate_of(to_do).endswith(
        " the service's telemetry.modules.my support.sampling_rate_pct and telemetry.sampling_rate_pct"
    )


def test_where_all_calls_were_captured_nobody_is_told_to_sample_more():
    assert rate_of(told(module_names={"support": 10}, inclusion_probabilities={1.0: 10})) is None


@pytest.mark.parametrize(
    ("telemetry", "line"),
    [
        ({}, "telemetry.sampling_rate_pct, which is 10 here"),
        ({"sampling_rate_pct": 100}, None),
        (
            {"sampling_rate_pct": 100, "modules": {"support": {"sampling_rate_pct": 2.5}}},
            "telemetry.modules.support.sampling_rate_pct, which is 2.5 here",
        ),
        ({"modules": {"support": {"sampling_rate_pct": 100}}}, None),
        ({"modules": {"another": {"sampling_rate_pct": 100}}}, "telemetry.sampling_rate_pct, which is 10 here"),
    ],
)
def test_without_rows_the_configuration_tells_the_rate_of_the_module(telemetry, line):
    expected = None if line is None else f"raise the service's {line}"
    assert rate_of(told(telemetry=telemetry, module="support", found=0, times_seen=0)) == expected


def test_without_rows_and_without_a_known_module_the_rate_is_that_of_all():
    to_do = told(telemetry={"modules": {"support": {"sampling_rate_pct": 100}}}, found=0, times_seen=0)
    assert rate_of(to_do) == "raise the service's telemetry.sampling_rate_pct, which is 10 here"


@pytest.mark.parametrize("policy", ["all", "hmac-0a1b2c3d:all"])
def test_where_all_inputs_count_no_more_of_them_can(policy):
    to_do = told(times_seen=256, rows=10, dedup_policies={policy: 9, "none": 1})
    assert to_do[-1] == (
        f"each input came 25.6 times: usage repeats itself; collect for longer, or make examples ({MAKE})"
    )


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        ("fields:text", "count more input fields"),
        ("hmac-0a1b2c3d:fields:a,b", "count more input fields"),
        ("all+case", "do not ignore case"),
        ("hmac-0a1b2c3d:all+space", "do not ignore white space"),
        ("fields:a+case+space", "count more input fields, do not ignore case, do not ignore white space"),
    ],
)
def test_where_the_key_leaves_something_out_it_is_told_what_and_how_it_counts(policy, steps):
    to_do = told(times_seen=50, rows=10, dedup_policies={"all": 7, policy: 3})
    assert to_do[-1] == (
        f"each input came 5.0 times: the key of 3 of 10 rows leaves something out ({policy}): {steps} in the service's "
        f"dedup.signatures, or make examples ({MAKE})"
    )


def test_inputs_that_came_twice_are_not_told_to_repeat():
    assert not any("each input came" in line for line in told(times_seen=20, dedup_policies={"fields:a": 10}))
