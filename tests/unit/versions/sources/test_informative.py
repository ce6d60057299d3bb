"""Which subjects say what was done, and which files people of the project wrote."""

import pytest

from headrace_consumers.versions.sources.informative import is_source_file, why_uninformative


@pytest.mark.parametrize(
    "subject",
    [
        "Refuse an order whose address is in another country",
        "fix(parser): accept a comma behind the last argument",
        "Add rate limits to the public API",
        "Release the lock before the callback runs",
        "Updated tokens are written before the old ones are deleted",
        "Format prices by the customer's locale",
        "Drop support for Python 3.8 and 3.9",
    ],
)
def test_a_subject_that_says_what_was_done_is_informative(subject):
    assert why_uninformative(subject) is None


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("wip", "work in progress"),
        ("WIP: new parser for the orders", "work in progress"),
        ("fixup! Refuse an order from abroad", "work in progress"),
        ("Fix typo in the settings of the mailer", "typo or wording"),
        ("Bump requests from 2.31.0 to 2.32.0", "version bump"),
        ("chore(deps): update dependency eslint", "version bump"),
        ("Update dependencies of the frontend", "version bump"),
        ("v1.2.3", "version bump"),
        ("Release 2.0", "version bump"),
        ('Revert "Refuse an order from abroad"', "merge or revert"),
        ("Merge branch 'main' into feature", "merge or revert"),
        ("Update README.md with installation steps", "documents only"),
        ("docs: describe the retry policy of the client", "documents only"),
        ("style: sort the imports of all modules", "formatting"),
        ("Reformat code of the billing service", "formatting"),
        ("Lint", "formatting"),
        ("Release notes of the second version", "version bump"),
        ("Run black on the whole code base", "formatting"),
        ("Initial commit", "first commit"),
        ("address review comments", "says nothing"),
        ("Fix bugs, more tests", "says nothing"),
        ("", "says nothing"),
        ("Fix login", "short subject"),
        ("Supercalifragilistic", "short subject"),
    ],
)
def test_a_subject_that_says_nothing_is_left_out_with_the_reason(subject, reason):
    assert why_uninformative(subject) == reason


@pytest.mark.parametrize("path", ["a.py", "src/app/main.rs", "web/ui/App.TSX", "db/0001_users.sql", "lib/target.go"])
def test_source_files(path):
    assert is_source_file(path)


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "logo.png", "Makefile", ".gitignore", ".py", "vendor/lib/a.go", "web/node_modules/x/index.js",
        "app.min.js", "api/v1_pb2.py", "proto/x.pb.go", "yarn.lock", "Cargo.lock", "package-lock.json", "go.sum",
        "src/generated/client.ts", "data/rows.csv",
    ],
)  # fmt: skip
def test_files_that_are_no_source_of_the_project(path):
    assert not is_source_file(path)


def test_a_long_subject_costs_no_time():
    for text in ("a" * 100_000, "fix " * 30_000 + "!", "bump " + "x" * 100_000, "v1." + "1" * 100_000 + "!"):
        why_uninformative(text)
