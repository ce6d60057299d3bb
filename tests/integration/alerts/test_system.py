"""Headrace itself: promtool on series that are written down."""

from collections.abc import Callable
from itertools import chain

from headrace.config import Config, Filters
from tests.support.prometheus_rules import TARGET, Scene, counter

WARNING, CRITICAL = {"severity": "warning"}, {"severity": "critical"}
SERVICE = {"service": "shop", "environment": "production"}
PRODUCER = {**SERVICE, "producer": "one"}
HOUR = 60


def flat(*phases: tuple[int, float | None]) -> list[float | None]:
    """Return a gauge's values: so many minutes each."""
    return list(chain.from_iterable([value] * minutes for minutes, value in phases))


def test_a_prometheus_that_scrapes_no_metrics_consumer_says_so(scene: Scene) -> None:
    build = {"consumer": "metrics", "release": "1", "python": "3.12"}
    scene.add("headrace_build_info", flat((50, 1)), **{**build, "consumer": "dataset"})  # no call is watched by it
    scene.add("headrace_build_info", flat((20, None), (20, 1), (10, None)), **build)
    scene.quiet("HeadraceNotWatched", 3, 20, 30, 39, 46)
    scene.fires("HeadraceNotWatched", 10, {**CRITICAL, "consumer": "metrics"})
    scene.says(
        "HeadraceNotWatched",
        10,
        {**CRITICAL, "consumer": "metrics"},
        {
            "summary": "Prometheus sees no metrics consumer, so no call is watched: 0 consumers",
            "description": "Alert: Prometheus sees no metrics consumer, so no call is watched\n"
            "Current: 0 consumers\n"
            "Threshold: 1\n"
            "Action: Start headrace consume metrics, look at Prometheus' targets",
            "runbook_url": "docs/operations.md#alert-headracenotwatched",
        },
    )
    scene.check()


def test_a_kind_of_consumer_that_runs_nowhere_any_more_fires_until_one_is_back(scene: Scene) -> None:
    kept = {"release": "1", "python": "3.12"}
    scene.add("headrace_build_info", flat((20, 1), (30, None), (10, 1)), consumer="dataset", **kept)
    # Another takes its place with another address, as on Kubernetes: nothing fires.
    scene.add("headrace_build_info", flat((20, 1), (40, None)), consumer="feedback", **kept)
    scene.add("headrace_build_info", flat((20, None), (40, 1)), instance="two:9464", consumer="feedback", **kept)
    scene.quiet("HeadraceConsumerGone", 19, 22, 55)
    scene.fires("HeadraceConsumerGone", 40, {**CRITICAL, "consumer": "dataset"})
    scene.check()


def test_a_consumer_without_kafka_for_two_minutes_fires_until_it_answers(scene: Scene) -> None:
    scene.add(
        "headrace_kafka_silent_seconds", [*flat((10, 1)), *(60 * n for n in range(11)), *flat((5, 1))], consumer="x"
    )
    scene.add("headrace_kafka_silent_seconds", flat((26, 3)), consumer="x", instance="two:9464")
    scene.quiet("HeadraceKafkaSilent", 9, 12, 21, 24)
    scene.fires("HeadraceKafkaSilent", 13, {**CRITICAL, "consumer": "x", "job": TARGET["job"]})
    scene.fires("HeadraceKafkaSilent", 20, {**CRITICAL, "consumer": "x", "job": TARGET["job"]})
    scene.check()


def test_a_metrics_consumer_that_counts_and_cannot_commit_fires_and_an_idle_one_does_not(scene: Scene) -> None:
    name, own = "headrace_consumer_last_commit_timestamp_seconds", {"consumer": "metrics"}
    scene.add(name, flat((40, 0), (20, 2400)), **own)
    scene.add("headrace_consumer_records_total", counter((60, 30)), topic="headrace.stats.v1")
    idle = {"instance": "idle:9464"}
    scene.add(name, flat((60, 0)), **own, **idle)
    scene.add("headrace_consumer_records_total", flat((60, 7)), topic="headrace.stats.v1", **idle)
    scene.add(name, flat((60, 0)), consumer="dataset", instance="dataset:8103")
    scene.add("headrace_consumer_records_total", counter((60, 30)), topic="x", instance="dataset:8103")
    scene.quiet("HeadraceOffsetsNotCommitted", 10, 15, 41, 54)
    scene.fires("HeadraceOffsetsNotCommitted", 16, {**WARNING, **TARGET})
    scene.fires("HeadraceOffsetsNotCommitted", 39, {**WARNING, **TARGET})
    scene.check()


def test_a_consumer_that_is_behind_for_five_minutes_fires(scene: Scene) -> None:
    place = {"topic": "headrace.interactions.v1"}
    scene.add("headrace_consumer_lag_seconds", flat((10, 1), (20, 400), (10, 2)), partition="0", **place)
    scene.add("headrace_consumer_lag_seconds", flat((40, 0)), partition="1", **place)
    scene.add(
        "headrace_consumer_lag_seconds", flat((10, 1), (4, 400), (26, 2)), topic="headrace.stats.v1", partition="0"
    )
    scene.quiet("HeadraceConsumerLag", 5, 13, 35)
    scene.fires("HeadraceConsumerLag", 20, {**WARNING, **place, "job": TARGET["job"]})
    scene.check()


def test_a_single_dead_letter_fires_the_first_too_and_resolves(scene: Scene) -> None:
    place = {"topic": "headrace.interactions.v1"}
    scene.add("up", flat((60, 1)))
    scene.add(
        "headrace_dead_letters_total", [*flat((20, None)), *counter((40, 0), start=1)], **place, reason="undecodable"
    )
    scene.add("headrace_dead_letters_total", counter((30, 0), (1, 1), (29, 0)), **place, reason="unknown_schema")
    scene.quiet("HeadraceDeadLetters", 15, 50)
    scene.fires("HeadraceDeadLetters", 25, {**WARNING, **place, "reason": "undecodable"})
    scene.fires("HeadraceDeadLetters", 38, {**WARNING, **place, "reason": "unknown_schema"})
    scene.check()


def test_a_consumer_that_its_breaker_stopped_fires_until_it_is_back(scene: Scene) -> None:
    place = {"consumer": "dataset", "topic": "headrace.interactions.v1"}
    # Seen once, and gone; then it is started, mended.
    scene.add("headrace_consumer_circuit_open", flat((10, 0), (1, 1), (100, None), (20, 0)), **place)
    # Started again and again by a supervisor.
    again = {**place, "consumer": "feedback"}
    in_turn = [*flat((10, 0)), *([1, None, 0, 0] * 10), *flat((81, 0))]
    scene.add("headrace_consumer_circuit_open", in_turn, **again)
    scene.quiet("HeadraceCircuitOpen", 9, 125)
    for minute in (10, 15, 40):
        scene.fires("HeadraceCircuitOpen", minute, {**CRITICAL, **place}, {**CRITICAL, **again})
    scene.fires("HeadraceCircuitOpen", 100, {**CRITICAL, **place})
    scene.check()


def test_a_table_whose_maintenance_fails_for_an_hour_fires_until_it_is_mended(scene: Scene) -> None:
    name = "headrace_table_maintenance_failing_seconds"
    scene.add(name, [*flat((10, 0)), *(60 * n for n in range(90)), *flat((20, 0))], table="interactions")
    scene.add(name, [*flat((10, 0)), *(60 * n for n in range(50)), *flat((60, 0))], table="sightings")
    scene.quiet("HeadraceMaintenanceFailing", 5, 69, 101)
    scene.fires("HeadraceMaintenanceFailing", 80, {**WARNING, "table": "interactions", "job": TARGET["job"]})
    scene.check()


def test_a_table_that_has_too_many_files_for_half_an_hour_fires(scene: Scene) -> None:
    scene.add("headrace_table_files", flat((10, 60), (60, 5001), (20, 900)), table="interactions")
    scene.add("headrace_table_files", flat((10, 60), (20, 5001), (60, 900)), table="sightings")  # a backlog, and merged
    scene.add("headrace_table_files", flat((90, 5000)), table="feedback")
    scene.quiet("HeadraceTableFiles", 5, 39, 75)
    scene.fires("HeadraceTableFiles", 45, {**WARNING, "table": "interactions", "job": TARGET["job"]})
    scene.check()


def test_a_group_that_is_rebalanced_again_and_again_fires_and_an_update_does_not(scene: Scene) -> None:
    name, one, other = "headrace_consumer_rebalances_total", {"instance": "one:8103"}, {"instance": "other:8103"}
    # A member that is thrown out every seven minutes, and comes back: three of it for each that stays.
    flapping = [0.0] * 20 + [3.0 * (minute // 7) for minute in range(70)] + [27.0] * 40
    scene.add(name, flapping, consumer="dataset", **one)
    scene.add(name, [value / 4 for value in flapping], consumer="dataset", **other)
    # Twelve members restarted one after the other, within ten minutes.
    scene.add(name, [*flat((20, 0)), *counter((10, 4)), *flat((100, 40))], consumer="feedback", **one)
    scene.quiet("HeadraceRebalancing", 15, 35, 50, 120)
    scene.fires("HeadraceRebalancing", 75, {**WARNING, "consumer": "dataset", "job": TARGET["job"]})
    scene.check()


def test_a_disk_with_little_room_for_five_minutes_fires(scene: Scene) -> None:
    for folder, room in (("dataset", flat((10, 50), (20, 9), (10, 50))), ("state", flat((40, 11)))):
        scene.add("headrace_disk_free_bytes", room, folder=folder)
        scene.add("headrace_disk_size_bytes", flat((40, 100)), folder=folder)
    scene.quiet("HeadraceDiskNearlyFull", 5, 13, 35)
    scene.says(
        "HeadraceDiskNearlyFull",
        20,
        {**CRITICAL, **TARGET, "folder": "dataset"},
        {
            "summary": "A consumer's disk is nearly full: one:9464 dataset, now 9% free",
            "description": "Alert: A consumer's disk is nearly full\n"
            "Instance: one:9464\n"
            "Folder: dataset\n"
            "Current: 9% free\n"
            "Threshold: 10% free\n"
            "Action: Make room: once it is full, nothing is committed until there is some",
            "runbook_url": "docs/operations.md#alert-headracedisknearlyfull",
        },
    )
    scene.check()


def test_a_ledger_that_does_not_balance_fires_in_either_direction(scene: Scene) -> None:
    scene.add("headrace_producer_ledger_imbalance_records", flat((10, 0), (10, -2), (10, 0)), **PRODUCER)
    scene.add("headrace_producer_ledger_imbalance_records", flat((30, 0)), **{**PRODUCER, "producer": "two"})
    scene.quiet("HeadraceLedgerImbalance", 5, 10, 25)
    scene.fires("HeadraceLedgerImbalance", 15, {**WARNING, **SERVICE})
    scene.check()


def test_a_service_that_has_no_name_is_told_of_as_such(scene: Scene) -> None:
    scene.add("headrace_records_dropped_total", counter((20, 0), (1, 5), (39, 0)), environment="staging", reason="exit")
    scene.says(
        "HeadraceRecordsLost",
        25,
        {**WARNING, "environment": "staging", "reason": "exit"},
        {
            "summary": "A service has lost records: unnamed staging exit, now 5 in 15 minutes",
            "description": "Alert: A service has lost records\n"
            "Service: unnamed\n"
            "Environment: staging\n"
            "Reason: exit\n"
            "Current: 5 in 15 minutes\n"
            "Threshold: 0\n"
            "Action: Look up the reason in the runbook",
            "runbook_url": "docs/operations.md#alert-headracerecordslost",
        },
    )
    scene.check()


def test_lost_records_fire_by_reason(scene: Scene) -> None:
    scene.add("headrace_records_dropped_total", counter((20, 0), (1, 5), (39, 0)), **SERVICE, reason="queue_full")
    scene.add("headrace_records_dropped_total", counter((60, 0)), **SERVICE, reason="exit")
    scene.quiet("HeadraceRecordsLost", 15, 45)
    scene.fires("HeadraceRecordsLost", 25, {**WARNING, **SERVICE, "reason": "queue_full"})
    scene.check()


REPORT = "headrace_producer_last_report_timestamp_seconds"


def _reporting(minutes: int, *, from_minute: int = 0, killed: bool = False) -> list[float | None]:
    """Return when a producer reported last, for each minute: it is gone when it ends, or 15 minutes after a kill."""
    alive = [60.0 * minute for minute in range(from_minute, from_minute + minutes)]
    return [*flat((from_minute, None)), *alive, *(alive[-1:] * 15 if killed else []), *flat((60, None))]


def test_a_service_of_which_no_process_tells_anything_fires_until_one_does(scene: Scene) -> None:
    scene.add(REPORT, _reporting(10, killed=True), **PRODUCER)
    scene.add(REPORT, _reporting(20, from_minute=60), **{**PRODUCER, "producer": "two"})
    scene.quiet("HeadraceProducersSilent", 9, 14)
    for minute in (20, 30, 50):  # also when the series is gone
        scene.fires("HeadraceProducersSilent", minute, {**WARNING, **SERVICE})
    scene.quiet("HeadraceProducersSilent", 62, 75)
    scene.check()


def test_processes_that_end_in_order_or_leave_others_behind_fire_nothing(scene: Scene) -> None:
    scene.add(REPORT, _reporting(10), **{**PRODUCER, "service": "ended"})
    for producer, killed in (("one", True), ("two", False)):
        labels = {**PRODUCER, "service": "one of two was killed", "producer": producer}
        scene.add(REPORT, _reporting(10 if killed else 90, killed=killed), **labels)
    # Deployed once: the first ended in order; the second was killed.
    for producer, begins, killed in (("one", 0, False), ("two", 10, True)):
        labels = {**PRODUCER, "producer": producer}
        scene.add(REPORT, _reporting(10, from_minute=begins, killed=killed), **labels)
    for minute in (30, 60, 80):
        scene.fires("HeadraceProducersSilent", minute, {**WARNING, **SERVICE})
    scene.quiet("HeadraceProducersSilent", 15, 24)
    scene.check()


def test_a_service_that_is_away_for_a_day_was_taken_away(scene: Scene) -> None:
    scene.every_s = 240
    scene.add(REPORT, [*flat((4, 0)), *flat((450, None))], **PRODUCER)
    scene.fires("HeadraceProducersSilent", 23 * HOUR, {**WARNING, **SERVICE})
    scene.quiet("HeadraceProducersSilent", 25 * HOUR)
    scene.check()


def test_a_spool_that_grows_fires_and_one_that_empties_now_and_then_does_not(scene: Scene) -> None:
    ledger = "headrace_producer_ledger_records"
    growing = [*flat((10, 0)), *(float(20 * minute) for minute in range(30)), *flat((10, 0))]
    scene.add(ledger, growing, **PRODUCER, term="spooled")
    scene.add(ledger, growing, **PRODUCER, term="delivered")
    in_turn = [float(minute % 10 * 20) for minute in range(50)]
    scene.add(ledger, in_turn, **{**PRODUCER, "service": "in turn"}, term="spooled")
    scene.add(ledger, flat((50, 700)), **{**PRODUCER, "service": "left behind"}, term="spooled")
    # Kafka is away, and Prometheus scrapes the service itself.
    scene.add("headrace_producer_records_spooled", growing, job="desk", instance="desk:80")
    scene.quiet("HeadraceSpoolGrowing", 10, 20, 45)
    scene.fires("HeadraceSpoolGrowing", 35, {**WARNING, **SERVICE}, {**WARNING, "service": "desk", "job": "desk"})
    scene.check()


CALL = {"module": "reviewer", "version": "v1", "signature": "Answer", "environment": "production"}


def test_a_dataset_that_does_not_grow_while_calls_are_sampled_fires(scene: Scene) -> None:
    hours = 20 * HOUR
    scene.add("headrace_calls_sampled_total", counter((hours, 1)), **CALL)
    scene.add("headrace_dataset_examples_total", counter((HOUR, 1), (8 * HOUR, 0), (11 * HOUR, 1)), signature="Answer")
    scene.add("headrace_dataset_examples_total", counter((hours, 1)), signature="")  # feedback
    scene.quiet("HeadraceDatasetStalled", 5 * HOUR, 10 * HOUR)
    scene.fires("HeadraceDatasetStalled", 8 * HOUR, WARNING)
    scene.check()


def test_a_dataset_that_is_not_there_at_all_does_not_grow_and_without_calls_none_needs_to(scene: Scene) -> None:
    scene.add("headrace_calls_sampled_total", counter((HOUR, 0), (HOUR, 1), (8 * HOUR, 0)), **CALL)
    scene.quiet("HeadraceDatasetStalled", 30, 9 * HOUR)
    scene.fires("HeadraceDatasetStalled", 2 * HOUR, WARNING)
    scene.check()


def test_calls_that_are_to_be_no_examples_need_no_dataset(scene_of: Callable[[Config], Scene]) -> None:
    scene = scene_of(Config(filters=Filters(environments=("production", "pre.production"))))
    scene.add("headrace_calls_sampled_total", counter((HOUR, 1)), **{**CALL, "environment": "staging"})
    scene.quiet("HeadraceDatasetStalled", HOUR - 5)
    scene.check()


def test_each_environment_whose_calls_become_examples_needs_a_dataset(scene_of: Callable[[Config], Scene]) -> None:
    scene = scene_of(Config(filters=Filters(environments=("production", "pre.production"))))
    scene.add("headrace_calls_sampled_total", counter((HOUR * 2, 1)), **{**CALL, "environment": "pre.production"})
    scene.fires("HeadraceDatasetStalled", HOUR + 30, WARNING)
    scene.check()


def test_one_reason_that_rejects_over_half_of_a_signature_fires(scene: Scene) -> None:
    def judged(signature: str, kept: float, **rejected: float) -> None:
        minutes = 8 * HOUR
        scene.add(
            "headrace_dataset_examples_total", counter((HOUR, 1), (minutes, kept), (minutes, 1)), signature=signature
        )
        for reason, per_minute in rejected.items():
            values = counter((HOUR, 0), (minutes, per_minute), (minutes, 0))
            scene.add("headrace_dataset_rejected_total", values, signature=signature, reason=reason)

    judged("Answer", 0.2, quality=0.7, cost=0.1)
    judged("Two reasons", 0.1, quality=0.45, cost=0.45)
    judged("Rare", 0, quality=0.05)
    scene.add("headrace_dataset_rejected_total", counter((9 * HOUR, 1)), signature="Never kept", reason="failed")
    scene.quiet("HeadraceFilterRejecting", 10)
    scene.fires(
        "HeadraceFilterRejecting",
        8 * HOUR,
        {**WARNING, "signature": "Answer", "reason": "quality"},
        {**WARNING, "signature": "Never kept", "reason": "failed"},
    )
    scene.quiet("HeadraceFilterRejecting", 16 * HOUR)
    scene.check()


def test_a_candidate_that_is_taken_back_is_news_for_an_hour_and_a_halted_one_until_it_goes_on(scene: Scene) -> None:
    whose = {"environment": "production", "module": "support", "rollout": "support-v2-1"}
    changed, state = "headrace_rollout_changed_timestamp_seconds", "headrace_rollout_state"
    scene.add(changed, flat((10, 0), (90, 600)), **whose)
    scene.add(state, flat((10, 0), (90, 1)), state="rolled_back", **whose)
    scene.add(state, flat((100, 0)), state="halted", **whose)
    other = {**whose, "module": "billing", "rollout": "billing-v7-1"}
    scene.add(changed, flat((10, 0), (20, 600), (70, 1800)), **other)
    scene.add(state, flat((10, 0), (20, 1), (70, 0)), state="halted", **other)
    scene.add(state, flat((100, 0)), state="rolled_back", **other)
    scene.quiet("HeadraceRolloutRolledBack", 9, 71)
    scene.fires("HeadraceRolloutRolledBack", 10, {**WARNING, **whose})
    scene.fires("HeadraceRolloutRolledBack", 69, {**WARNING, **whose})
    scene.quiet("HeadraceRolloutHalted", 9, 30)
    scene.fires("HeadraceRolloutHalted", 11, {**WARNING, **other})
    scene.check()


def test_a_program_version_that_a_service_cannot_use_is_news_for_an_hour(scene: Scene) -> None:
    scene.add("up", flat((150, 1)))
    scene.add("headrace_program_failures_total", [*flat((70, None)), *flat((80, 1))], **SERVICE, reason="signature")
    scene.add("headrace_program_failures_total", flat((150, 1)), **SERVICE, reason="missing")
    scene.quiet("HeadraceProgramNotUsed", 69, 140)
    scene.fires("HeadraceProgramNotUsed", 75, {**WARNING, **SERVICE, "reason": "signature"})
    scene.check()


def test_a_candidate_that_nobody_calls_for_an_hour_while_its_module_is_called_fires(scene: Scene) -> None:
    minutes = 200
    for module, calls, serves in (("support", 0, 5), ("billing", 5, 5), ("idle", 0, 0)):
        whose = {"environment": "production", "module": module, "rollout": f"{module}-v2-1"}
        scene.add("headrace_rollout_state", flat((150, 1), (50, 0)), state="running", **whose)
        counted = counter((minutes, calls))
        scene.add("headrace_rollout_arm_calls", counted, arm="candidate", version="v2", **whose)
        scene.add("headrace_rollout_arm_calls", counter((minutes, 1)), arm="baseline", version="v1", **whose)
        called = {"environment": "production", "module": module, "version": "v1", "signature": "Answer"}
        scene.add("headrace_calls_total", counter((minutes, serves)), **called)
    whose = {"environment": "production", "module": "support", "rollout": "support-v2-1"}
    scene.quiet("HeadraceCandidateNotCalled", 50, 62, 155)
    scene.fires("HeadraceCandidateNotCalled", 70, {**WARNING, **whose})
    scene.check()


def test_rollout_consumers_of_which_none_decides_fire_and_one_that_stands_by_does_not(scene: Scene) -> None:
    scene.add("headrace_rollout_acting", flat((20, 1), (20, 0), (10, 1)))
    scene.add("headrace_rollout_acting", flat((50, 0)), instance="two:9466")
    scene.quiet("HeadraceRolloutNotDecided", 10, 22, 41)
    scene.fires("HeadraceRolloutNotDecided", 30, CRITICAL)
    scene.check()
