"""What a user's own module of filters and scorers may hold."""

from collections.abc import Mapping
from typing import Any

NOT_CALLABLE = 7


def is_polite(record: Mapping[str, Any]) -> bool:
    return "please" in record["input"]["question"]


def is_short(record: Mapping[str, Any]) -> bool:
    return len(record["output"]["answer"]) < 100


def by_length(record: Mapping[str, Any]) -> float:
    return min(1.0, len(record["output"]["answer"]) / 10)


def fails_on_secret(record: Mapping[str, Any]) -> bool:
    if "secret" in record["input"]["question"]:
        raise ValueError(record["input"]["question"])
    return True


def says_nothing(record: Mapping[str, Any]) -> None:
    del record


def not_a_number(record: Mapping[str, Any]) -> float:
    del record
    return float("nan")


def changes_it(record: dict[str, Any]) -> bool:
    record["signature"] = "other"
    return True


class Judges:
    @staticmethod
    def all_well(record: Mapping[str, Any]) -> bool:
        return isinstance(record["input"], dict) and record["attributes"] == {}
