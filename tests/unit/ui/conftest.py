"""A folder with a table and versions, made once; and pages asked for as a browser would."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from headrace.config import load
from headrace_consumers.ui.cache import Cache
from headrace_consumers.ui.pages import PAGES
from headrace_consumers.ui.site import Site
from headrace_consumers.ui.sources import Sources
from tests.support.ui_world import build


@dataclass(frozen=True)
class Got:
    """A page."""

    code: int
    html: str

    @property
    def text(self) -> str:
        """What a person reads: without tags, blanks as one."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.html)).split())

    @property
    def links(self) -> list[str]:
        """Where it leads to."""
        return [unescape(each) for each in re.findall(r'href="(/[^"]*)"', self.html)]

    @property
    def problems(self) -> list[str]:
        return [unescape(each) for each in re.findall(r'class="problem"[^>]*>(.*?)</p>', self.html)]


def site_of(config_path: Path, clock: Callable[[], float] = lambda: 0.0) -> Callable[[str], Got]:
    """Return what asks the site of a configuration for an address."""
    site = Site(Sources(load(config_path, {}, {}), config_path, Cache(clock)), PAGES)

    def get(address: str) -> Got:
        path, _, query = address.partition("?")
        answer = site.answer(path, query)
        return Got(answer.code, answer.body.decode())

    return get


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the configuration's path; nobody changes what is there."""
    return build(tmp_path_factory.mktemp("ui"))


@pytest.fixture(scope="session")
def get(world: Path) -> Callable[[str], Got]:
    """Ask for an address of the world."""
    return site_of(world)
