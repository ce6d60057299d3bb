"""Whose fault an error is, for all who send to Kafka."""

import pytest
from confluent_kafka import KafkaError

from headrace.delivery.sinks.send_errors import _NAMES, Fault, fault_of

NAMES = [(name, fault) for fault, names in _NAMES.items() for name in names]


@pytest.mark.parametrize(("name", "fault"), NAMES)
def test_each_name_is_an_error_of_the_client_and_has_one_fault(name, fault):
    error = KafkaError(getattr(KafkaError, name))
    assert error.name() == name
    assert fault_of(error) is fault
    assert [each for each, _ in NAMES].count(name) == 1


def test_what_the_client_never_recovers_from_is_no_messages_fault():
    assert fault_of(KafkaError(KafkaError.INVALID_RECORD, "x", fatal=True)) is Fault.BROKER


@pytest.mark.parametrize("code", [KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN, KafkaError.POLICY_VIOLATION])
def test_of_others_nobody_knows(code):
    assert fault_of(KafkaError(code)) is Fault.UNKNOWN
