"""Fingerprints of keys, and the table of them, against plain Python."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headrace_consumers.dataset.seen import fingerprint_table
from headrace_consumers.dataset.seen.fingerprint_table import FingerprintTable
from headrace_consumers.dataset.seen.fingerprints import fingerprints_of, fingerprints_of_digits, to_digits

KEYS = [hashlib.sha256(str(i).encode()).hexdigest().encode() for i in range(2000)]
HEX_KEYS = st.text("0123456789abcdef", min_size=64, max_size=64).map(str.encode)
ODD_KEYS = st.one_of(st.none(), st.binary(max_size=70), st.binary(min_size=64, max_size=64))
NUMBERS = st.lists(st.one_of(st.integers(1, 2**64 - 1), st.integers(1, 40)), max_size=60)


def numbers(values):
    return np.asarray(list(values), np.uint64)


def random_numbers(count, seed=1):
    return np.random.default_rng(seed).integers(1, 2**64, count, dtype=np.uint64)


@given(st.lists(st.one_of(HEX_KEYS, ODD_KEYS)))
def test_a_key_that_is_64_hex_digits_has_its_first_16_as_fingerprint_and_others_have_none(keys):
    fingerprints = fingerprints_of(keys)
    wanted = [key is not None and len(key) == 64 and set(key) <= set(b"0123456789abcdef") for key in keys]
    assert (fingerprints != 0).tolist() == wanted
    right = [key for key, is_right in zip(keys, wanted, strict=True) if is_right]
    assert fingerprints[fingerprints != 0].tolist() == [max(int(key[:16], 16), 1) for key in right]


def test_what_one_key_lacks_another_cannot_give():
    long, short = b"a" * 65, b"a" * 63
    for keys in ([long, short], [short, long], [b"a" * 129, b""], [b"a" * 31 + b"\n" + b"a" * 32], [b"\n" * 64]):
        assert not fingerprints_of([*keys, b"b" * 64])[:-1].any()


def test_zero_is_no_fingerprint():
    assert fingerprints_of([b"0" * 64]).tolist() == [1]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_an_arrow_array_of_keys_gives_the_same_fingerprints_wherever_it_begins(kind):
    array = pa.array([key.decode() for key in KEYS], kind)[500:600]
    assert fingerprints_of_digits(to_digits(array)).tolist() == fingerprints_of(KEYS[500:600]).tolist()
    assert len(to_digits(array[:0])) == 0


def test_an_arrow_array_with_a_short_key_is_refused():
    with pytest.raises(ValueError, match="64"):
        to_digits(pa.array(["a" * 64, "b"]))


class AgainstASet(RuleBasedStateMachine):
    """Any additions and removals leave the table with what a set has."""

    def __init__(self):
        super().__init__()
        self.table = FingerprintTable()
        self.model = set()

    @rule(values=NUMBERS)
    def add(self, values):
        added = self.table.add(numbers(values)).tolist()
        assert sorted(added) == sorted(set(values) - self.model)
        self.model |= set(values)

    @rule(seed=st.integers(0, 9), count=st.integers(0, 20_000))
    def add_many(self, seed, count):
        values = random_numbers(count, seed)
        assert len(self.table.add(values)) == len(set(values.tolist()) - self.model)
        self.model |= set(values.tolist())

    @rule(values=NUMBERS)
    def remove(self, values):
        assert self.table.remove([numbers(values)]) == len(set(values) & self.model)
        self.model -= set(values)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_some(self, data):
        step = data.draw(st.integers(1, 50))
        gone = sorted(self.model)[::step]
        assert self.table.remove([numbers(gone)]) == len(gone)
        self.model -= set(gone)

    @rule(values=NUMBERS)
    def contains(self, values):
        assert self.table.contains(numbers(values)).tolist() == [value in self.model for value in values]

    @rule()
    def load_again(self):
        self.table = FingerprintTable(list(self.table.batches()), len(self.table))

    @invariant()
    def it_holds_the_same(self):
        assert len(self.table) == len(self.model)
        held = [value for batch in self.table.batches() for value in batch.tolist()]
        assert sorted(held) == sorted(self.model)
        assert self.table.contains(numbers(sorted(self.model))).all()


AgainstASet.TestCase.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)
TestAgainstASet = AgainstASet.TestCase


def test_a_batch_larger_than_the_table_is_added_at_once():
    table, values = FingerprintTable(), random_numbers(100_000)
    assert len(table.add(values)) == len(table) == 100_000
    assert table.contains(values).all()
    assert not table.contains(random_numbers(100_000, seed=2)).any()


@pytest.mark.parametrize("size", [0, 10, 3_000, 9_000])
def test_loaded_with_more_than_it_was_told_it_grows_and_copies_count_once(size):
    values = random_numbers(6_000)
    table = FingerprintTable([values[:4000], values[2000:], values[:10]], size)
    assert len(table) == 6_000
    assert table.contains(values).all()


def test_growing_a_little_at_a_time_keeps_everything(monkeypatch):
    monkeypatch.setattr(fingerprint_table, "_CHUNK", 256)  # so that a small table has many chunks
    table, values = FingerprintTable(), random_numbers(40_000)
    for first in range(0, len(values), 1_000):
        assert len(table.add(values[first : first + 1_000])) == 1_000
        assert table.contains(values[: first + 1_000]).all()
    assert table.remove(np.array_split(values[::2], 3)) == 20_000
    assert table.contains(values).tolist() == [False, True] * 20_000


def test_many_keys_with_the_last_home_run_over_the_end_and_are_found(monkeypatch):
    monkeypatch.setattr(fingerprint_table.secrets, "randbits", lambda _: 1)  # a key that an attacker knows
    table = FingerprintTable()
    values = numbers(range(2**64 - 2_500, 2**64))
    for first in range(0, len(values), 100):
        assert len(table.add(values[first : first + 100])) == 100
    assert table.contains(values).all()
    assert not table.contains(numbers(range(2**64 - 5_000, 2**64 - 2_500))).any()
    loaded = FingerprintTable([values], len(values))
    assert loaded.contains(values).all()


def test_keys_in_a_row_do_not_crowd():
    table = FingerprintTable()
    values = numbers(range(1, 50_001)) << np.uint64(3)
    table.add(values)
    assert table.contains(values).all()
    assert table.size_bytes < 24 * len(values) + 200_000


def test_a_large_table_takes_at_most_13_bytes_a_key():
    table, values = FingerprintTable(), random_numbers(1_000_000)
    for first in range(0, len(values), 50_000):
        table.add(values[first : first + 50_000])
        assert table.size_bytes < max(12.6 * len(table), min(24 * len(table), 11_600_000)) + 120_000


def test_many_are_sorted_by_two_threads_and_all_are_found(monkeypatch):
    monkeypatch.setattr(fingerprint_table, "_CHUNK", 1_000)
    values = random_numbers(50_001)
    table = FingerprintTable([values[:30_000], values[30_000:]], len(values))
    assert len(table) == 50_001
    assert table.contains(values).all()


def test_closed_it_gives_the_memory_back():
    table = FingerprintTable([random_numbers(10)], 10)
    table.close()
    assert table.size_bytes == 0
