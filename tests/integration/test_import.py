"""`headrace import` through a real Kafka into the table: what the consumer could not read never gets there."""

import json

from tests.support import warm
from tests.support.dataset_job import DatasetJob
from tests.support.interactions import interaction
from tests.unit.history.lines_of_logs import historic


def imported(job, *files):
    options = ["--config", str(job.config_path), "--bad-lines", str(job.folder / "bad.jsonl"), "--json"]
    ended = warm.run("import", *map(str, files), *options)
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def test_a_log_becomes_rows_and_importing_it_again_adds_nothing(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path)
    log = tmp_path / "old.jsonl"
    lines = [json.dumps(historic(input={"n": number % 200})) for number in range(300)]
    bad = [historic(timestamp_ms=1_699_564_800), interaction(dedup_key="zz"), {**interaction(), "input": ["a list"]}]
    log.write_text("\n".join([*lines, "oops", *map(json.dumps, bad)]))

    first = imported(job, log)
    assert first["published"] == 300
    assert first["bad_lines"] == {"not_json": 1, "timestamp_out_of_bounds": 1, "invalid_key": 1, "invalid_json": 1}
    counts = job.finish(job.start())
    assert (counts["kept"], counts["duplicates"], counts["dead_letters"]) == (200, 100, {})
    before = job.table()

    assert imported(job, log)["published"] == 300
    counts = job.finish(job.start())
    assert (counts["kept"], counts["duplicates"]) == (0, 300)
    assert job.table().equals(before)
    assert before["dedup_key"].n_unique() == 200
