"""Values and keys behind one another are found again, wherever a body ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.kafka.bodies import NONE, PADDING, bodies_of
from headrace_consumers.dataset.kafka.message import Message
from headrace_consumers.dataset.kafka.messages import Messages
from headrace_consumers.dataset.records import plan, walk

TEXTS = st.none() | st.binary(max_size=20)


def texts(body):
    """What a body says of its values and keys."""
    for at, sizes in ((body.value_at, body.value_bytes), (body.key_at, body.key_bytes)):
        yield [
            None if size == NONE else body.text[start : start + size]
            for start, size in zip(at.tolist(), sizes.tolist(), strict=True)
        ]


@given(st.lists(st.tuples(TEXTS, TEXTS)), st.integers(1, 100))
def test_each_text_is_found_again_and_a_body_ends_behind_the_one_that_reaches_its_size(pairs, body_bytes):
    found = []
    for body in bodies_of([value for value, _ in pairs], [key for _, key in pairs], body_bytes):
        values, keys = texts(body)
        found += zip(values, keys, strict=True)
        sizes = [len(value or b"") + len(key or b"") for value, key in zip(values, keys, strict=True)]
        assert sum(sizes[:-1]) < body_bytes
        assert sum(sizes) >= body_bytes or len(found) == len(pairs)
        assert body.text[sum(sizes) :] == bytes(PADDING)
    assert found == pairs


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1), st.data())
def test_messages_from_several_polls_keep_their_texts_however_they_are_chosen(pairs, data):
    all_of_them = [Message(n % 3, n, key, value, n) for n, (value, key) in enumerate(pairs)]
    cut = data.draw(st.integers(0, len(pairs)))
    polls = [Messages.of(all_of_them[:cut]), Messages.of(all_of_them[cut:])]
    runs = [run for partition in range(3) for poll in polls for run in poll.runs() if run.partitions[0] == partition]
    together = Messages.together(runs)
    order = sorted(all_of_them, key=lambda message: (message.partition, message.offset))
    assert list(together) == order
    assert together.values == [message.value for message in order]
    assert together.keys == [message.key for message in order]
    places = np.asarray(data.draw(st.lists(st.integers(0, len(pairs) - 1))), np.int64)
    assert together.chosen(places).values == [order[place].value for place in places]
    covered = [place for first, last, _ in together.stretches() for place in range(first, last)]
    assert covered == list(range(len(pairs)))


@pytest.mark.parametrize("names", ["Kind", "Rule"])
def test_what_is_compiled_has_the_plans_numbers(names):
    for name, number in vars(getattr(plan, names)).items():
        if name.isupper():
            assert getattr(walk, f"_{name}") == number
