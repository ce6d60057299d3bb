"""The topic that every way reads: records as the producer sends them, with copies and failed calls among them."""

import hashlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Producer
from tests.support.interactions import interaction
from tests.support.kafka import Kafka

from headrace_schemas import canonical, interaction_codec
from headrace_schemas.topics import REQUEST_HEADER

__all__ = ["PARTITIONS", "Load", "fill"]

PARTITIONS: Final = 4
COPIES: Final = 0.3
FAILED: Final = 0.1
_TEMPLATES: Final = 2_000
_EVENT, _KEY, _REQUEST, _NUMBER = b"e" * 31 + b"!", b"k" * 63 + b"!", b"r" * 31 + b"!", b"n" * 11 + b"!"


@dataclass(frozen=True)
class Load:
    """What is put into the topic.

    Attributes:
        records: how many.
        size_bytes: about so many each.
        unreadable: the share that is cut off, for the dead letters.
        seed: of the draw.
    """

    records: int
    size_bytes: int = 1_000
    unreadable: float = 0.0
    seed: int = 1


def fill(kafka: Kafka, load: Load) -> tuple[str, int]:
    """Return the topic's name, and the bytes that were sent."""
    topic = kafka.create_topic(partitions=PARTITIONS, prefix="bench", config={"max.message.bytes": "4194304"})
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",  # as headrace's own producer
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "message.max.bytes": 4_000_000,
            "queue.buffering.max.kbytes": 262_144,
        }
    )
    sent = 0
    for number, (key, value) in enumerate(_messages(load)):
        while True:
            try:
                producer.produce(topic, value, key, headers=[(REQUEST_HEADER, hashlib.sha256(b"%d" % number).digest())])
                break
            except BufferError:
                producer.poll(0.1)
        sent += len(value)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return topic, sent


def _messages(load: Load) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value; of 10 records 3 are copies of earlier ones, each call fails by its own draw."""
    draw = random.Random(load.seed)
    templates = _templates(draw, load.size_bytes)
    new = 0
    for event in range(load.records):
        if new and draw.random() < COPIES:
            number = draw.randrange(new)
        else:
            number = new
            new += 1
        key = hashlib.sha256(b"%d" % number).hexdigest().encode()
        value = (
            templates[draw.random() < FAILED][number % len(templates[0])]
            .replace(_EVENT, b"%032x" % event, 1)
            .replace(_REQUEST, hashlib.md5(b"%d" % event).hexdigest().encode(), 1)
            .replace(_NUMBER, b"%012d" % number, 1)
            .replace(_KEY, key, 1)
        )
        yield key, value if draw.random() >= load.unreadable else value[:-3]


def _templates(draw: random.Random, size_bytes: int) -> tuple[list[bytes], list[bytes]]:
    """Return encoded records that lack what is unique in each, as successes and as failures.

    Their texts are drawn, so that a record compresses about as prose does and not like its neighbour.
    """
    codec, now_ms = interaction_codec(), time.time_ns() // 1_000_000
    words = ["".join(draw.choices("etaoinshrdlucmfw", k=draw.randrange(2, 11))) for _ in range(2_000)]
    drafts: list[dict[str, object]] = []
    text_bytes = max(50, size_bytes - 385)
    for _ in range(_TEMPLATES if size_bytes < 100_000 else 20):
        text = ""
        while len(text) < text_bytes:
            text = " ".join((text, *draw.choices(words, k=text_bytes // 6 + 1)))[:text_bytes]
        middle = text_bytes * 2 // 3
        drafts.append(
            {
                "event_id": _EVENT.decode(),
                "request_id": _REQUEST.decode(),
                "input": canonical.dumps({"context": text[:middle], "question": _NUMBER.decode()}).decode(),
                "output": canonical.dumps(
                    {"answer": text[middle:-20].strip(), "reasoning": text[-20:].strip()}
                ).decode(),
                "dedup_key": _KEY.decode(),
                "timestamp_ms": now_ms + draw.randrange(60_000),
                "latency_ms": draw.uniform(100, 3000),
                "cost_usd": draw.uniform(0.001, 0.01),
                "tokens": draw.randrange(50, 2000),
            }
        )
    good = [codec.encode(interaction(**draft)) for draft in drafts]
    failure = {"success": False, "error": "the LM timed out", "error_type": "Timeout", "output": "{}"}
    return good, [codec.encode(interaction(**{**draft, **failure})) for draft in drafts]
