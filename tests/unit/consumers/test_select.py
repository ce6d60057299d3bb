"""The pure core: what becomes of a batch, and that batches' boundaries do not matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.config import load
from headrace_consumers.dataset.judging.filter import Filter
from headrace_consumers.dataset.judging.select import select
from headrace_consumers.dataset.records.columnar import ColumnarDecoder
from headrace_consumers.dataset.records.decode import Unreadable
from tests.support.interactions import interaction, message_of

DECODER = ColumnarDecoder()
FILTER = Filter(load(None, {}, {}).filters)


def run(messages, known=()):
    return select(messages, [message.key not in known for message in messages], DECODER, FILTER)


def kept_offsets(selection):
    return selection.kept.select("partition", "offset").rows()


def kept_keys(selection):
    return {key.encode() for key in selection.kept["dedup_key"]}


def test_the_first_passing_copy_wins_even_after_failing_ones():
    copies = [
        message_of(interaction(success=False, event_id="a"), 0),
        message_of(interaction(latency_ms=9000.0, event_id="b"), 1),
        message_of(interaction(event_id="c"), 2),
        message_of(interaction(event_id="d"), 3),
        message_of(interaction(success=False, event_id="e"), 4),
    ]
    selection = run(copies)
    assert kept_offsets(selection) == [(0, 2)]
    assert selection.tally.duplicates == 2
    assert selection.tally.rejected == {"failed": 1, "latency": 1}
    assert selection.tally.balances


def test_a_failing_copy_before_a_batch_does_not_hide_a_passing_one_after_it():
    first = run([message_of(interaction(success=False), 0)])
    known = kept_keys(first)
    second = run([message_of(interaction(), 1)], known)
    assert (kept_offsets(first), kept_offsets(second)) == ([], [(0, 1)])


def test_keys_in_the_table_are_dropped_before_decoding():
    message = message_of(b"rubbish", key=b"known")
    selection = run([message], {b"known"})
    assert (selection.tally.duplicates, selection.unreadable) == (1, [])


def test_an_unreadable_copy_does_not_hide_a_readable_one():
    good = message_of(interaction(), 1)
    bad = message_of(good.value[:-1], 0, key=good.key)
    selection = run([bad, good])
    assert kept_offsets(selection) == [(0, 1)]
    assert selection.tally.dead_letters == {"undecodable": 1}


def test_messages_without_a_key_are_dead_letters_one_by_one():
    selection = run([message_of(b"x", offset) for offset in range(3)])
    assert [message.offset for message, _ in selection.unreadable] == [0, 1, 2]


def test_a_misplaced_message_is_a_dead_letter_whatever_it_holds_and_neither_copy_nor_winner():
    record = interaction()
    key = record["dedup_key"].encode()
    messages = [message_of(record, 0), message_of(b"rubbish", 1, key=key), message_of(record, 2), message_of(record, 3)]
    why = Unreadable("misplaced", "elsewhere")
    selection = select(messages, [True, False, True, True], DECODER, FILTER, strays={0: why, 1: why})
    assert [(message.offset, found) for message, found in selection.unreadable] == [(0, why), (1, why)]
    assert (kept_offsets(selection), selection.duplicates.tolist()) == ([(0, 2)], [3])
    assert selection.tally.dead_letters == {"misplaced": 2}
    assert selection.tally.balances


def test_outcome_records_are_counted_and_never_kept():
    selection = run([message_of(interaction(capture_level="outcome", dedup_key="event-1"))])
    assert (selection.tally.outcomes, len(selection.kept)) == (1, 0)


def test_unknown_fields_are_counted_for_rows_that_pass():
    selection = run([message_of(interaction("a", cost_usd=None), 0), message_of(interaction("b", cost_usd=None), 1)])
    assert selection.tally.unknown == {"cost_usd": 2}


def test_many_failing_copies_of_one_key_take_linear_time():
    decoded = 0

    class Counting:
        def decode(self, messages):
            nonlocal decoded
            decoded += len(messages)
            return DECODER.decode(messages)

    copies = [message_of(interaction(success=False), offset) for offset in range(3000)]
    select(copies, [True] * len(copies), Counting(), FILTER)
    assert decoded == 3000


records = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["good", "bad"])),
    max_size=40,
)


@settings(max_examples=60)
@given(records, st.lists(st.integers(1, 10), min_size=1))
def test_where_batches_end_changes_nothing(drawn, sizes):
    messages = []
    for offset, (question, success, shape) in enumerate(drawn):
        message = message_of(interaction(question, success=success), offset)
        messages.append(message if shape == "good" else message_of(message.value[:-1], offset, key=message.key))
    whole = kept_offsets(run(messages))

    known, in_parts, at = set(), [], 0
    while at < len(messages):
        size = sizes[len(in_parts) % len(sizes)]
        part = run(messages[at : at + size], known)
        assert part.tally.balances
        known |= kept_keys(part)
        in_parts.extend(kept_offsets(part))
        at += size

    first_passing = {}
    for offset, (question, success, shape) in enumerate(drawn):
        if success and shape == "good":
            first_passing.setdefault(question, offset)
    assert whole == in_parts == sorted((0, offset) for offset in first_passing.values())


def test_what_stands_behind_a_passing_copy_is_a_duplicate_whatever_it_holds():
    good = message_of(interaction(), 0)
    behind = [
        message_of(good.value[:-1], 1, key=good.key),
        message_of(interaction(success=False), 2),
        message_of(interaction(), 3),
    ]
    selection = run([good, *behind])
    assert kept_offsets(selection) == [(0, 0)]
    assert selection.duplicates.tolist() == [1, 2, 3]
    assert (selection.unreadable, selection.tally.rejected, selection.tally.duplicates) == ([], {}, 3)


def test_duplicates_are_handed_on_by_their_places():
    messages = [message_of(interaction("a"), 0), message_of(interaction("b"), 1), message_of(interaction("b"), 2)]
    selection = run(messages, known={messages[0].key})
    assert selection.duplicates.tolist() == [0, 2]
