"""Mutated records through the deployed decoder and the real commit path: nothing crashes, nothing is unaccounted for.

`make fuzz` plays 1,000,000; HEADRACE_TEST_FUZZ_RECORDS and HEADRACE_TEST_FUZZ_SEED choose others.
"""

import os

import pytest

from headrace_consumers.dataset.records.decode import Decoded, FastavroDecoder
from headrace_consumers.deadletters import REASONS
from tests.support.committing import CommitPath
from tests.support.mutation import mutants

RECORDS = int(os.environ.get("HEADRACE_TEST_FUZZ_RECORDS", "4000"))
SEED = int(os.environ.get("HEADRACE_TEST_FUZZ_SEED", "20261125"))
BATCH = 10_000


@pytest.mark.timeout(max(300, RECORDS // 200))
def test_every_mutant_becomes_a_row_a_copy_a_rejection_or_a_dead_letter_with_a_known_reason(tmp_path):
    path = CommitPath(tmp_path)
    originals = {}
    kept = 0
    for first in range(0, RECORDS, BATCH):
        messages = list(mutants(min(BATCH, RECORDS - first), SEED + first, first))
        path.dead_letters.letters.clear()
        tally = path.commit(messages)
        assert tally.balances, f"seed {SEED + first}"
        assert tally.consumed == len(messages)
        kept += tally.kept
        originals = {message.offset: message for message in messages}
        for letter in path.dead_letters.letters:
            original = originals.pop(letter["offset"])  # once each
            assert letter["reason"] in REASONS
            assert (letter["key"], letter["value"]) == (original.key, original.value)
            assert "\n" not in letter["detail"]
        assert len(path.dead_letters.letters) == tally.dead_letters.total()
    rows = path.rows()
    assert len(rows) == kept == rows["dedup_key"].n_unique()
    path.close()


def test_the_mutants_reach_every_reason_that_bytes_can_have():
    """A fuzz test that only ever meets one check proves little."""
    reasons = set()
    decoder = FastavroDecoder()
    for result in decoder.decode(list(mutants(4_000, 1))):
        reasons.add("row" if isinstance(result, Decoded) else result.reason)
    assert reasons == {"row", *REASONS} - {"unwritable", "misplaced"}
