"""What redaction left, or never saw, is found, told by kind and field, and never shown."""

from headrace.redaction import Redactor
from headrace_consumers.versions.gates.personal_data import PERSONAL_DATA
from tests.unit.versions.gates.frames import example, judged

BY_THESE_RULES = f'{{"redaction_version":"{Redactor().version}"}}'


def test_personal_data_is_found_wherever_it_stands():
    verdict = judged(
        PERSONAL_DATA,
        example(1, {"question": "Who is ann@example.com?"}, source="import"),
        example(2, {"question": "a"}, {"answer": {"deep": ["call +49 30 901820"]}}, source="git"),
        example(3, {"question": "a"}, {"password": "hunter2"}, source="git"),
        example(4, {"question": "a"}, category="of bob@example.com", source="hand"),
        example(5, {"question": "[EMAIL] wrote"}, source="import"),
        example(6, {"question": "half a character \ud800, cat@example.com"}, source="import"),
    )
    assert dict(verdict.offenders.iter_rows()) == {
        "id-1": "email in input question",
        "id-2": "phone in output answer",
        "id-3": "secret in output password",
        "id-4": "email in category",
        "id-6": "email in input question",
    }
    assert (verdict.figure, verdict.is_passed) == (5, False)
    assert verdict.what.endswith("email 3, phone 1, secret 1")


def test_calls_that_were_redacted_by_the_same_rules_are_not_looked_at_again():
    left = {"question": "ann@example.com"}  # it cannot be there, but would not be found
    verdict = judged(
        PERSONAL_DATA,
        example(1, left, provenance=BY_THESE_RULES),
        example(2, left, provenance=BY_THESE_RULES.replace('"}', '+0a1b2c3d"}')),
        example(3, left, provenance='{"redaction_version":"2-00000000"}'),
        example(4, {}, left, provenance=BY_THESE_RULES, label="corrected"),
        example(5, left, provenance=BY_THESE_RULES, source="import"),
        example(6, left),
    )
    assert verdict.offenders["example_id"].to_list() == ["id-3", "id-4", "id-5", "id-6"]


def test_a_correction_is_looked_at_unless_the_same_rules_have_redacted_it_and_nobody_has_edited_it_since():
    version = Redactor().version
    by_these = f'{{"feedback":{{"corrected_redaction_version":"{version}"}},"redaction_version":"{version}"}}'
    left = {"answer": "ann@example.com"}
    verdict = judged(
        PERSONAL_DATA,
        example(1, left, left, provenance=by_these, label="corrected"),
        example(2, left, left, provenance=by_these.replace(version, "2-00000000", 1), label="corrected"),
        example(3, left, left, provenance=by_these.replace("{", '{"edits":[{"who":"ann"}],', 1), label="corrected"),
    )
    assert verdict.offenders.rows() == [("id-2", "email in output answer"), ("id-3", "email in output answer")]


def test_a_signature_may_look_for_some_kinds_only():
    row = example(1, {"question": "Is 192.0.2.7 up?"}, source="import")
    assert not judged(PERSONAL_DATA, row).is_passed
    assert judged(PERSONAL_DATA, row, personal_data_kinds=("email", "secret")).is_passed
    assert judged(PERSONAL_DATA, row, personal_data_kinds=()).is_passed
