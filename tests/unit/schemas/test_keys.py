import hashlib
import hmac
import random

import pytest
from confluent_kafka import Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas import canonical, keys

_TEXT = st.text(max_size=30)
_HASHES = st.integers(0, 2**64 - 1)
_RATES = st.floats(0, 1)
_ROLES = st.sampled_from(["input", "output"])

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@given(_TEXT, _TEXT)
def test_the_hashes_are_sha256_over_a_purpose_and_the_ids(request_id: str, rollout_id: str) -> None:
    request, rollout = request_id.encode(), rollout_id.encode()
    sampling = hashlib.sha256(b"hr-sample\x00" + request).hexdigest()
    arm = hashlib.sha256(b"hr-arm\x00" + rollout + b"\x00" + request).hexdigest()
    assert keys.sampling_hash(request_id) == int(sampling[:16], 16)
    assert keys.sampling_digest(request_id).hex() == sampling
    assert keys.arm_hash(rollout_id, request_id) == int(arm[:16], 16)
    assert keys.request_id_hash(request_id) == hashlib.sha256(b"hr-request\x00" + request).digest()


@given(_HASHES, _RATES, _RATES)
def test_who_is_sampled_at_a_rate_is_sampled_at_every_higher_one(hash64: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert keys.is_below_rate(hash64, low) <= keys.is_below_rate(hash64, high)


@given(_HASHES)
def test_rate_zero_takes_nobody_and_rate_one_everybody(hash64: int) -> None:
    assert not keys.is_below_rate(hash64, 0.0)
    assert keys.is_below_rate(hash64, 1.0)


@given(st.integers(1, 2**53 - 1), st.integers(11, 64))
def test_the_threshold_is_exact(mantissa: int, shift: int) -> None:
    rate = mantissa / 2.0 ** (53 + shift - 11)
    threshold = mantissa * 2**64 // 2 ** (53 + shift - 11)
    assert threshold == 0 or keys.is_below_rate(threshold - 1, rate)
    assert not keys.is_below_rate(threshold, rate)


@given(_HASHES, _HASHES, st.binary(min_size=24, max_size=24))
def test_digests_below_the_threshold_are_those_whose_hash_is_below_the_rate(
    hash64: int, other: int, rest: bytes
) -> None:
    for rate in (hash64 / 2.0**64, other / 2.0**64, 0.0, 1.0):
        digest = hash64.to_bytes(8, "big") + rest
        assert (digest < keys.sampling_threshold(rate)) == keys.is_below_rate(hash64, rate)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_sampled_share_is_the_rate(rate: float) -> None:
    requests = 20_000
    sampled = sum(keys.is_below_rate(keys.sampling_hash(f"request-{n}"), rate) for n in range(requests))
    deviation = (rate * (1 - rate) * requests) ** 0.5
    assert abs(sampled - rate * requests) < 4 * deviation


def test_the_arm_is_independent_of_the_sample() -> None:
    ids = [f"request-{n}" for n in range(20_000)]
    sampled = [i for i in ids if keys.is_below_rate(keys.sampling_hash(i), 0.1)]
    candidates = sum(keys.is_below_rate(keys.arm_hash("r1", i), 0.1) for i in sampled)
    assert abs(candidates - 0.1 * len(sampled)) < 4 * (0.09 * len(sampled)) ** 0.5


@given(_TEXT, _TEXT, st.binary(max_size=50), st.binary(min_size=1, max_size=100))
def test_the_dedup_key_is_sha256_or_hmac(signature: str, fields_hash: str, inputs: bytes, secret: bytes) -> None:
    message = signature.encode() + b"\x00" + fields_hash.encode() + b"\x00" + inputs
    assert keys.dedup_key(signature, fields_hash, inputs) == hashlib.sha256(message).hexdigest()
    authenticated = hmac.new(secret, message, "sha256").hexdigest()
    assert keys.dedup_key(signature, fields_hash, inputs, secret=secret) == authenticated


def test_an_empty_secret_still_is_a_secret() -> None:
    assert keys.dedup_key("s", "f", b"{}", secret=b"") != keys.dedup_key("s", "f", b"{}")


def test_ids_with_lone_surrogates_have_a_hash() -> None:
    assert keys.sampling_hash("\ud800") == int(hashlib.sha256(b"hr-sample\x00\xed\xa0\x80").hexdigest()[:16], 16)


@given(st.lists(st.tuples(_ROLES, _TEXT, _TEXT), max_size=6), st.randoms())
def test_the_fields_hash_ignores_the_order_of_fields(fields: list[tuple[str, str, str]], chance: random.Random) -> None:
    shuffled = fields.copy()
    chance.shuffle(shuffled)
    expected = hashlib.sha256(canonical.dumps([list(field) for field in sorted(fields)])).hexdigest()[:16]
    assert keys.fields_hash(fields) == keys.fields_hash(shuffled) == expected


def test_the_fields_hash_tells_roles_names_and_types_apart() -> None:
    fields = [("input", "a", "str"), ("output", "a", "str"), ("input", "b", "str"), ("input", "a", "int")]
    assert len({keys.fields_hash([field]) for field in fields}) == len(fields)


@pytest.mark.parametrize(("key", "murmur2"), _MURMUR2.items())
@pytest.mark.parametrize("partitions", [1, 3, 8, 1000, 2**31 - 1])
def test_partitions_are_those_of_the_java_client(key: bytes, murmur2: int, partitions: int) -> None:
    assert keys.partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_partitions_are_those_of_librdkafka() -> None:
    chance = random.Random(1)  # keys for a test
    sent = [chance.randbytes(length) for length in range(1, 70) for _ in range(5)]
    partition_of = {}

    def note(error: object, message: Message) -> None:
        assert error is None
        partition_of[message.key()] = message.partition()

    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "partitioner": "murmur2"})
    partitions = len(producer.list_topics("t", timeout=30).topics["t"].partitions)
    for key in sent:
        producer.produce("t", key=key, value=b"", on_delivery=note)
    assert producer.flush(30) == 0
    producer.close()
    assert partition_of == {key: keys.partition_of(key, partitions) for key in sent}
    assert set(partition_of.values()) == set(range(partitions))
