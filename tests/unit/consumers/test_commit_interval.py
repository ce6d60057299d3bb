"""The commit interval: never shorter than configured, and all members together under a quarter of one's rate."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_consumers.dataset.commit_interval import LONGEST_S, commit_interval_s, members_of

seconds = st.floats(0.01, 1_000)


def test_one_member_on_a_fast_disk_commits_as_configured():
    assert commit_interval_s(5, 1, 0.02, is_remote=False) == 5


def test_sixteen_members_on_a_slow_disk_wait():
    assert commit_interval_s(5, 16, 0.2, is_remote=False) == 12.8


def test_on_an_object_store_each_member_waits_15_s_or_2_s_a_member():
    assert commit_interval_s(5, 1, 0.3, is_remote=True) == 15
    assert commit_interval_s(5, 10, 0.3, is_remote=True) == 20
    assert commit_interval_s(60, 10, 0.3, is_remote=True) == 60


@given(seconds, st.integers(1, 64), st.floats(0, 100), st.booleans())
def test_it_is_never_shorter_than_configured_and_leaves_room(configured_s, members, commit_s, is_remote):
    interval_s = commit_interval_s(configured_s, members, commit_s, is_remote=is_remote)
    assert interval_s >= configured_s
    assert interval_s <= max(configured_s, LONGEST_S)
    if interval_s < LONGEST_S:
        commits_per_s = members / interval_s
        assert commits_per_s * commit_s <= 0.25 + 1e-9


def test_members_are_told_by_the_share_of_partitions():
    assert [members_of(12, owned) for owned in (12, 6, 4, 3, 1, 0)] == [1, 2, 3, 4, 12, 12]
    assert members_of(12, 5) == 3  # 5, 5 and 2, or 5, 4 and 3
