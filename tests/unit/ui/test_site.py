"""The pages over a real table and real versions: what they show, and that none of them breaks or is broken into."""

import re
from collections import deque
from html import unescape
from html.parser import HTMLParser
from itertools import count

import polars as pl
import pytest

from headrace.config import load
from headrace_consumers.rollout.state import Found, State
from headrace_consumers.ui.cache import Cache
from headrace_consumers.ui.pages import PAGES, row
from headrace_consumers.ui.reading.search import search
from headrace_consumers.ui.site import Site
from headrace_consumers.ui.sources import Sources
from headrace_schemas.rollouts import ProgramVersion
from headrace_schemas.vectors import EXAMPLE
from tests.support.rollouts import started
from tests.support.ui_world import ATTACKS, OTHER, SIGNATURE
from tests.unit.ui.conftest import Got

HERE = f"/signatures/{SIGNATURE}"


@pytest.fixture(scope="module")
def crawled(get):
    """Follow every link, a few of each kind; address -> page."""
    pages, kinds, waiting = {}, {}, deque(["/"])
    while waiting:
        address = waiting.popleft()
        kind = re.sub(r"[0-9a-f]{12,}|=[^&]*", "*", address)
        if address in pages or kinds.get(kind, 0) >= 6 or address.startswith(("/style.css", "/icon.svg")):
            continue
        kinds[kind] = kinds.get(kind, 0) + 1
        pages[address] = get(address)
        waiting += pages[address].links
    return pages


def test_every_link_leads_to_a_page(crawled):
    assert {address: page.text for address, page in crawled.items() if page.code != 200} == {}
    assert len(crawled) > 60


def test_only_kafka_has_a_problem_and_says_which(crawled):
    problems = {address: page.problems for address, page in crawled.items() if page.problems}
    kafka = {address for address in problems if address.startswith("/rollouts")} | {"/ledger", "/dead-letters"}
    assert (set(problems), "/rollouts" in problems) == (kafka, True)
    assert {len(lines) for lines in problems.values()} == {1}
    assert all("kafka.bootstrap_servers: not set" in lines[0] for lines in problems.values())


class Parsed(HTMLParser):
    """The tags and attributes of a page, as a parser of HTML finds them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.addresses = set(), set(), set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {value for name, value in attrs if name in ("href", "src", "action")}


TAGS = frozenset(
    re.findall(
        r"\S+",
        "html head meta title link body a header div main nav h1 h2 p span footer b code pre bdi br form label input "
        "button select option table thead tbody tr th td dl dt dd ul li details summary figure figcaption svg rect "
        "line text polyline circle",
    )
)
ATTRIBUTES = frozenset(
    re.findall(
        r"\S+",
        "lang charset name content rel href type class id tabindex method action role value aria-current "
        "aria-label data-label scope dir selected required colspan viewbox x y x1 x2 y1 y2 cx cy r width height "
        "points text-anchor fill stroke stroke-opacity",
    )
)


def test_what_was_captured_adds_no_tag_and_no_attribute(crawled):
    for address, page in crawled.items():
        parsed = Parsed(page.html)
        is_whole = address.endswith("/report")  # has its style in itself, and a policy for whoever gets it by mail
        assert parsed.tags <= (TAGS | {"style", "h3"} if is_whole else TAGS), address
        assert parsed.attributes <= (ATTRIBUTES | {"http-equiv"} if is_whole else ATTRIBUTES), address
        elsewhere = [each for each in parsed.addresses if each != "#main" and not re.match("/(?!/)", each)]
        assert elsewhere == [], address


@pytest.mark.parametrize("at", range(len(ATTACKS)))
def test_an_attack_is_read_as_the_text_that_it_is(crawled, at):
    shown = [page for address, page in crawled.items() if address.startswith(f"{HERE}/rows") or "examples" in address]
    readable = (
        "<script>document.title='owned'</script>",
        "<img src=x onerror=",
        "{{ 7*7 }}",
        "\\u202emoc",
        "' onmouse",
    )
    assert any(readable[at] in page.text or readable[at] in unescape(page.html) for page in shown)


def test_the_overview_has_the_signatures_the_largest_first(get):
    page = get("/")
    assert page.text.index(SIGNATURE) < page.text.index(OTHER)
    assert "276 rows 2 signatures" in page.text
    assert f"{SIGNATURE} 240 " in page.text
    assert "v2 1 not passed" in page.text
    assert OTHER not in get(f"/?q={SIGNATURE.lower()}").text
    assert "No signature's name contains nobody" in get("/?q=nobody").text


def test_a_signature_has_growth_versions_gates_and_rejections(get):
    page = get(HERE)
    assert "240 rows; a column is a day" in page.text
    assert "v2 latest 239" in page.text
    assert "v1 140" in page.text or "v1 " in page.text
    assert re.search(r"minimum size not passed 239 not passed \d+ ", page.text)
    assert "source balance not judged 1 not judged 1 " in page.text
    assert "240 became rows, 24 were rejected" in page.text
    assert "latency" in page.text
    assert "failed" in page.text


def test_a_signature_without_versions_is_told_how_to_cut_one(get, world):
    text = get(f"/signatures/{OTHER}").text
    assert f"No versions yet in {world.parent / 'training_data'} . This cuts one:" in text
    assert f"headrace dataset cut -s {OTHER} --config {world}" in text


def test_paging_shows_each_row_once_the_newest_first(get):
    address, times, keys = f"{HERE}/rows", [], []
    while address:
        page = get(address)
        keys += re.findall(r'href="/rows/([0-9a-f]{64})">', page.html)
        times += re.findall(r'href="/rows/[0-9a-f]{64}">([^<]*)<', page.html)
        address = next((each for each in page.links if "before=" in each), None)
    assert len(keys) == len(set(keys)) == 240
    assert times == sorted(times, reverse=True)


def test_rows_of_a_day_are_all_of_that_day(get):
    page = get(f"{HERE}")
    (day, number) = re.findall(r"rows\?day=([\d-]+)\">[\d-]+</a></td><td class=\"n\">(\d+)<", page.html)[0]
    shown = re.findall(r'href="/rows/[0-9a-f]{64}">([\d-]+) ', get(f"{HERE}/rows?day={day}").html)
    assert shown == [day] * int(number)


@pytest.mark.parametrize(
    ("text", "found"),
    [("ticket 77:", 1), ("TICKET 77:", 1), ("asks for invoice", 48), ('"><svg/onload', None), ("nothing like that", 0)],
)
def test_rows_are_found_by_their_text(get, text, found):
    page = get(f"{HERE}/rows?q={text.replace(' ', '%20')}")
    rows = len(set(re.findall(r'href="/rows/([0-9a-f]{64})', page.html)))
    assert rows == found if found is not None else rows > 0
    assert "among the 276 rows looked at" in page.text


def test_looking_ends_when_its_time_is_up_also_where_no_file_has_a_row_of_it(world):
    ticks = count(0, 10)
    found = search(Sources(load(world, {}, {}), world, Cache(lambda: 0.0)), "", "ticket", clock=lambda: next(ticks))
    assert (found.rows, found.looked_at, found.is_all) == ([], 0, False)


def test_a_row_has_its_payload_its_facts_and_leads_to_its_example(get):
    key = re.search(r'href="/rows/([0-9a-f]{64})', get(f"{HERE}/rows?q=Ticket%2077:").html)[1]
    page = get(f"/rows/{key}")
    assert "ticket Ticket 77: where is my invoice?" in page.text
    assert "event_id event-77" in page.text
    example = next(each for each in page.links if "/examples/" in each)
    told = get(example)
    assert "Ticket 77: where is my invoice?" in told.text
    assert "inclusion_probability" in told.text
    assert f"/rows/{key}" in told.links
    assert get("/rows/" + "0" * 64).code == 404


def test_a_row_tells_the_arm_of_the_rollout_that_compared_it(get, world, monkeypatch):
    """By the version on it: the row itself holds no arm."""
    key = re.search(r'href="/rows/([0-9a-f]{64})', get(f"{HERE}/rows?q=Ticket%2077:").html)[1]
    begins = started(
        environment=EXAMPLE["environment"],
        module=EXAMPLE["module_name"],
        rollout_id="its-rollout",
        baseline=ProgramVersion("baseline", None),
        now_ms=0,
    )
    monkeypatch.setattr(row, "rollouts", lambda _: Found(State(), [begins.entry]))
    config = load(world, {"kafka": {"bootstrap_servers": "127.0.0.1:1"}}, {})
    answer = Site(Sources(config, world, Cache(lambda: 0.0)), PAGES).answer(f"/rows/{key}", "")
    page = Got(answer.code, answer.body.decode())
    assert "It was the baseline's in rollout its-rollout , when the candidate had 10% of the requests." in page.text
    assert f"/rollouts/{EXAMPLE['environment']}/{EXAMPLE['module_name']}" in page.links
    assert "in rollout" not in get(f"/rows/{key}").text  # without Kafka nothing tells


def test_a_version_tells_its_gates_what_it_is_made_of_and_checks_its_files(get):
    page = get(f"{HERE}/versions/v2")
    assert re.search(r"1 of \d+ gates not passed", page.text)
    assert "minimum size not passed 239 1,000 0 239 examples, at least" in page.text
    assert page.html.count("<figure>") == 7
    assert ", 1 not judged" in page.text
    assert "source balance not judged 1 0.8 0 all examples are of telemetry" in page.text
    assert 'load_dataset("ClassifyTicket", "v2")' in page.text
    assert "Every file is the one that the manifest names" in get(f"{HERE}/versions/v2?check=1").text


def test_what_was_set_aside_says_by_whom(get):
    page = get(f"{HERE}/versions/v2/set-aside")
    assert "excluded telemetry" in page.text
    assert "it was <i>wrong</i>" in page.text
    (id_,) = set(re.findall(r"<code>([0-9a-f]{12})</code>", page.html))
    key = next(each for each in page.links if each.startswith("/rows/")).removeprefix("/rows/")
    assert key.startswith(id_)
    gone = get(f"{HERE}/versions/v2/examples/{key[:32]}")
    assert (gone.code, "v2 does not have it. The gate excluded set it aside" in gone.text) == (200, True)
    assert "no example" in get(f"{HERE}/versions/v2/examples/{'0' * 32}").problems[0]


def test_examples_are_paged_by_key_and_chosen(get, world):
    address, ids = f"{HERE}/versions/v2/examples", []
    while address:
        page = get(address)
        ids += re.findall(r'/examples/([0-9a-f]{32})"', page.html)
        address = next((each for each in page.links if "after=" in each), None)
    folder = world.parent / "training_data" / SIGNATURE / "v2"
    keys = pl.concat([pl.read_parquet(folder / f"{split}.parquet")["key"] for split in ("train", "val", "test")])
    assert ids == [key[:32] for key in keys.sort()]
    test = get(f"{HERE}/versions/v2/examples?split=test&category=refund")
    assert set(re.findall(r'data-label="split">(train|val|test)<', test.html)) == {"test"}
    assert "No such examples" in get(f"{HERE}/versions/v2/examples?label=given").text
    assert 'value="refund" selected' in test.html


def test_a_difference_names_what_was_added_and_changed_side_by_side(get):
    page = get(f"{HERE}/diff")
    assert "v1 to v2" in page.text
    assert "Changed in: outputs 1, label 1" in page.text
    changed = [get(each) for each in page.links if "with=v1" in each]
    hand = [each for each in changed if "outputs: category" in each.text]
    assert len(hand) == 1
    assert "corrected by hand" in hand[0].text
    assert "ada <b>" in hand[0].text
    assert get(f"/signatures/{OTHER}/diff").code == 404


def test_why_and_trace_work_without_kafka_and_say_what_was_not_looked_at(get):
    why = get(f"{HERE}/why")
    assert "Not looked at: kafka.bootstrap_servers: not set" in why.text
    assert "240 rows, 500 are wanted (optimization.telemetry_target)" in why.text
    found = get("/trace?id=request-77")
    assert "became row" in found.text
    assert "event event-77 request request-77" in found.text
    assert "in no row" in get("/trace?id=nobody").text


@pytest.mark.parametrize(
    "address",
    ["/nothing", "/signatures", "/signatures/Nobody", f"{HERE}/versions/v99", f"{HERE}/versions/..",
     f"{HERE}/versions/%2e%2e%2fv1", "/signatures/..%2f..",
     f"{HERE}/versions/latest%00", "/rows/%ff",
     f"{HERE}/versions/v2/examples/%22%3E%3Cb",
     f"{HERE}/diff?a=v1&b=v77", "/signatures/" + "x" * 3000],
)  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(get, address):
    page = get(address)
    assert len(page.problems) == 1
    assert "please report" not in page.problems[0]
    assert Parsed(page.html).tags <= TAGS


@pytest.mark.parametrize(
    "query",
    ["before=x", "before=1.2",
     "before=9999999999999999999.1.1", "day=yesterday", "first=-1", "first=99999999999", "q=%ff",
     "q=" + "%F0%9F%A6%94" * 50, "a=1&" * 60, "split=../../etc", "category=%00", "after=zzz", "gate=none", "q=.*%5B"],
)  # fmt: skip
def test_no_query_breaks_a_page(get, query):
    for address in (
        "/",
        f"{HERE}/rows",
        f"{HERE}/versions/v2/examples",
        f"{HERE}/versions/v2/set-aside",
        f"{HERE}/diff",
    ):
        page = get(f"{address}?{query}")
        assert (page.code, page.problems) == (200, [])
