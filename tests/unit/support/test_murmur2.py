"""The accounts' murmur2 and the product's, which is held against librdkafka's, agree."""

from hypothesis import given
from hypothesis import strategies as st

from headrace_schemas.keys import partition_of
from tests.support.murmur2 import partition_by_murmur2


@given(st.binary(max_size=80), st.integers(1, 100))
def test_they_agree(key, partitions):
    assert partition_by_murmur2(key, partitions) == partition_of(key, partitions)
