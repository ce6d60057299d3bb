"""A rolling upgrade: the table, the seen-set and the records of the release before, under this one's consumers.

The state is made here as that release left it: a table without `span_id` and without what this release remembers in its
properties, and one DuckDB file a member with 128 bits of each key. Its code is in `tests/data/release_before.tar.xz`,
made by `git archive 4e96393 producer consumers schemas`: a clone that CI makes need not have the history.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb
import fastavro
import polars as pl
import pyarrow as pa
from confluent_kafka import KafkaException, Producer, TopicCollection
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from fastavro.schema import fingerprint, to_parsing_canonical_form

from headrace_consumers.dataset.delta.table import InteractionTable
from headrace_schemas import keys
from tests.support.dataset_job import DatasetJob, expected_of
from tests.support.interactions import interaction
from tests.support.waiting import wait_until

OLD = json.loads((resources.files("headrace_schemas") / "avro" / "interaction.v1.0.avsc").read_text())
PARTITIONS = 2
RELEASE_BEFORE = Path(__file__).parents[1] / "data" / "release_before.tar.xz"
OTHER_RELEASE = "HEADRACE_TEST_RELEASE_BEFORE"
"""Names such an archive of another commit, to try it by hand."""
_ARROW = {"string": pa.string(), "double": pa.float64(), "long": pa.int64(), "int": pa.int32(), "boolean": pa.bool_()}


def written_by_the_old_release(job, questions):
    """Write records of the schema before."""
    print_ = bytes.fromhex(fingerprint(to_parsing_canonical_form(OLD), "CRC-64-AVRO"))
    producer = Producer({"bootstrap.servers": job.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for question in questions:
        buffer = io.BytesIO()
        record = {name: value for name, value in interaction(question).items() if name != "span_id"}
        fastavro.schemaless_writer(buffer, OLD, record)
        producer.produce(job.topic, b"\xc3\x01" + print_ + buffer.getvalue(), record["dedup_key"].encode())
    assert producer.flush(30) == 0


def old_columns():
    for field in OLD["fields"]:
        kind = field["type"]
        nullable = isinstance(kind, list)
        name = next(each for each in kind if each != "null") if nullable else kind
        yield pa.field(field["name"], _ARROW[name if isinstance(name, str) else name["type"]], nullable=nullable)


def read_by_the_old_release(job):
    """Make the table and the seen-set that the old release would have made of all that is on the topic."""
    (answer,) = job.kafka.admin.describe_topics(TopicCollection([job.topic])).values()
    topic_id = str(answer.result(30).topic_id)
    schema = pa.schema(
        [
            *old_columns(),
            pa.field("quality", pa.float64(), nullable=False),
            pa.field("topic", pa.string(), nullable=False),
            pa.field("topic_id", pa.string(), nullable=False),
            pa.field("partition", pa.int32(), nullable=False),
            pa.field("offset", pa.int64(), nullable=False),
            pa.field("ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),
            pa.field("ingest_date", pa.date32(), nullable=False),
        ]
    )
    rows, ends = [], {}
    for message in job.kafka.records(job.topic):
        record = fastavro.schemaless_reader(io.BytesIO(message.value()[10:]), OLD, None)
        at = datetime.fromtimestamp(message.timestamp()[1] / 1000, tz=UTC)
        place = {"topic": job.topic, "topic_id": topic_id, "partition": message.partition(), "offset": message.offset()}
        rows.append({**record, "quality": 1.0, **place, "ingested_at": at, "ingest_date": at.date()})
        ends[message.partition()] = message.offset() + 1
    table = DeltaTable.create(
        str(job.table_path),
        schema,
        partition_by=["ingest_date"],
        name="headrace interactions",
        configuration={"delta.checkpointInterval": "100"},
    )
    moved = [Transaction(f"{topic_id}/{partition}", end) for partition, end in ends.items()]
    commit = CommitProperties(app_transactions=moved)
    write_deltalake(table, pa.Table.from_pylist(rows, schema), mode="append", commit_properties=commit)
    old_seen_set(job, str(table.metadata().id), topic_id, rows, ends)
    return rows


def old_seen_set(job, table_id, topic_id, rows, ends):
    folder = job.folder / "state" / "member-0"
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "seen.duckdb")) as seen:
        seen.execute("create table seen (partition integer, high ubigint, low ubigint)")
        seen.execute("create table watermarks (partition integer, next_offset bigint)")
        seen.execute("create table origin (table_id varchar, topic_id varchar, partition_count integer)")
        seen.execute("insert into origin values (?, ?, ?)", [table_id, topic_id, PARTITIONS])
        for row in rows:
            halves = [int(row["dedup_key"][:16], 16), int(row["dedup_key"][16:32], 16)]
            seen.execute("insert into seen values (?, ?, ?)", [row["partition"], *halves])
        for partition, end in ends.items():
            seen.execute("insert into watermarks values (?, ?)", [partition, end])


def test_the_table_goes_on_where_the_release_before_left_it(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=PARTITIONS)
    written_by_the_old_release(job, range(30))
    before = read_by_the_old_release(job)
    written_by_the_old_release(job, range(20, 60))  # a producer that is upgraded last: 10 copies of rows that are there
    job.write(range(50, 90))  # one that is upgraded: 10 copies of the other's
    job.write(range(10))

    members = [job.start(idle_exit_s=3), job.start(idle_exit_s=3)]
    counts = [job.finish(member) for member in members]
    assert sum(each["kept"] for each in counts) == 60
    assert sum(each["duplicates"] for each in counts) == 30
    assert sum(sum(each["dead_letters"].values()) for each in counts) == 0

    table = job.table()
    wanted = {
        keys.dedup_key(r["signature"], r["fields_hash"], r["input"].encode()) for r in map(interaction, range(90))
    }
    assert table.height == 90
    assert set(table["dedup_key"].to_list()) == wanted
    old = table.filter(pl.col("dedup_key").is_in([row["dedup_key"] for row in before]))
    assert {(row["dedup_key"], row["partition"], row["offset"]) for row in before} == set(
        old.select("dedup_key", "partition", "offset").rows()
    )
    known = InteractionTable(job.table_path).properties.known_topics().topics[job.topic]
    assert known.partitions == PARTITIONS
    assert job.finish(job.start())["consumed"] == 0


class OldConsumers:
    """Starts consumers of the release before, with its own code and the keys of the configuration that it knows."""

    def __init__(self, job):
        self.job = job
        self.root = job.folder / "release_before"
        with tarfile.open(os.environ.get(OTHER_RELEASE, RELEASE_BEFORE)) as archive:
            archive.extractall(self.root, filter="data")
        kafka, dataset = job.config["kafka"], job.config["dataset"]
        topics = {name: kafka["topics"][name] for name in ("interactions", "dead_letters")}
        known = ("path", "state_path", "group_id", "commit_interval_s")
        config = {
            "kafka": {**kafka, "topics": topics},
            "dataset": {key: dataset[key] for key in known},
        }
        self.config_path = job.folder / "old.json"
        self.config_path.write_text(json.dumps(config))
        self.started = 0

    def start(self):
        self.started += 1
        paths = os.pathsep.join(str(self.root / name) for name in ("producer", "consumers", "schemas"))
        command = [
            sys.executable,
            "-m",
            "headrace_consumers.cli",
            "consume",
            "dataset",
            "--json",
            "--log-format",
            "json",
        ]
        with (self.job.folder / f"consumer-old-{self.started}.log").open("wb") as log:
            return subprocess.Popen(
                [*command, "--config", str(self.config_path)],
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.root,
                env={**os.environ, "PYTHONPATH": paths},
            )


def wait_for_members(job, shares):
    """Return when the group's members own so many partitions each."""
    group = job.config["dataset"]["group_id"]

    def is_so():
        (answer,) = job.kafka.admin.describe_consumer_groups([group]).values()
        try:
            members = answer.result(30).members
        except KafkaException:  # it has no coordinator yet
            return False
        return sorted(len(member.assignment.topic_partitions) for member in members) == shares

    wait_until(is_so, f"members that own {shares} partitions")


def wait_for_rows(job, number):
    wait_until(lambda: job.table_path.exists() and job.table().height >= number, f"{number} rows")


def test_a_consumer_of_the_release_before_beside_a_new_one_in_one_group(kafka, tmp_path):
    job = DatasetJob(kafka, tmp_path, partitions=4, sightings=False)  # which the release before does not write
    old = OldConsumers(job)
    first = old.start()
    wait_for_members(job, [4])
    written_by_the_old_release(job, range(60))
    wait_for_rows(job, 60)
    new = job.start(idle_exit_s=None)
    wait_for_members(job, [2, 2])
    written_by_the_old_release(job, range(40, 140))
    wait_for_rows(job, 140)  # of all partitions, so by both
    written_by_the_old_release(job, range(120, 220))
    first.kill()
    first.communicate()
    wait_for_members(job, [4])
    wait_for_rows(job, 220)
    second = old.start()  # and back
    wait_for_members(job, [2, 2])
    written_by_the_old_release(job, range(200, 300))
    wait_for_rows(job, 300)
    new.terminate()
    assert job.finish(new)["kept"] > 80
    wait_for_members(job, [4])
    written_by_the_old_release(job, range(280, 360))
    wait_for_rows(job, 360)
    second.terminate()
    assert job.finish(second)["kept"] > 60
    assert job.finish(job.start())["kept"] == 0

    job.insist_on(expected_of(kafka, job.topic, OLD))
    assert job.table().height == 360
