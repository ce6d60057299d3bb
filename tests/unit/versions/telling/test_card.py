"""A version's card: true figures, plain words about what can be trusted, and nobody's text as markup."""

import json

from headrace_consumers.versions.telling.card import card, trust_line
from tests.support.version_folders import example_line, write_version


def version(tmp_path, **changes):
    lines = [
        example_line(
            {"q": n}, {"a": n}, label="corrected" if n == 0 else "unverified", category=changes.get("category")
        )
        for n in range(5)
    ]
    folder = write_version(tmp_path, {"train": lines[:3], "val": lines[3:]})
    return [json.loads((folder / name).read_text()) for name in ("metadata.json", "manifest.json")]


def row(text, begin):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {begin} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_it_tells_the_counts_of_each_split_and_what_nobody_looked_at(tmp_path):
    text = card(*version(tmp_path))
    assert text.startswith("# S, v1\n")
    assert "(3 train, 2 val, 0 test)" in text
    assert row(text, "corrected")[:3] == ["1", "0", "0"] or row(text, "corrected")[:3] == ["0", "1", "0"]
    assert sum(int(cell) for cell in row(text, "unverified")[:3]) == 4
    assert "**80.0% of the outputs are the serving program's own answers, which nobody looked at.**" in text
    assert row(text, "telemetry") == ["3", "2", "0", "100.0%"]
    assert row(text, "easy")[3] == "100.0%"
    assert row(text, "minimum-size") == ["passed", "4", "1", "0"]
    assert row(text, "headrace.interactions.v1") == ["0", "3", "70"]
    large = version(tmp_path / "large")
    large[1]["gates"][0]["figure"] = 200_000.0
    assert row(card(*large), "minimum-size") == ["passed", "200,000", "1", "0"]
    assert "There is no test split" in text
    assert "There is no train split" not in text
    assert "## Categories" not in text


def test_the_snippet_loads_the_version(tmp_path):
    text = card(*version(tmp_path))
    code = text.split("```python\n")[1].split("```")[0]
    scope = {}
    exec(code.replace("'v1'", f"'v1', root={str(tmp_path)!r}"), scope)
    assert (len(scope["trainset"]), len(scope["valset"])) == (3, 2)


def test_an_erasure_is_told(tmp_path):
    metadata, manifest = version(tmp_path)
    manifest["erased"] = [
        {"erasure_id": "e1", "at": "2026-11-28T00:00:00Z", "examples": 2, "previous_manifest_sha256": ""}
    ]
    assert "Erased since: 2 examples, 2026-11-28T00:00:00Z (erasure `e1`)." in card(metadata, manifest)


def test_other_peoples_words_are_text_in_one_cell(tmp_path):
    text = card(*version(tmp_path, category="a|b\n# <script>`x`\x1b[31m"))
    assert "| a\\|b # &lt;script>'x' [31m | 3 | 2 | 0 | 100.0% |" in text


def test_more_categories_than_a_page_holds_are_counted(tmp_path):
    metadata, manifest = version(tmp_path)
    metadata["splits"]["train"]["categories"] = {f"c {n:02}": n + 1 for n in range(25)}
    metadata["splits"]["val"]["categories"] = {}
    text = card(metadata, manifest)
    assert "| c 24 |" in text
    assert "| c 04 |" not in text
    assert "and 5 more" in text


def test_the_trust_line():
    assert trust_line({}) == "no examples"
    assert (
        trust_line({"corrected": 1, "judged": 1, "unverified": 2})
        == "50.0% corrected, judged or given, 50.0% unverified"
    )
