"""Each rule has a test in which it is quiet, fires and is quiet again."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from headrace.config import Config
from headrace_consumers.metrics.alerts import alerts_of
from headrace_consumers.metrics.alerts.rule_file import groups_of
from tests.integration.alerts import test_burn_rate, test_quality, test_system
from tests.support.prometheus_programs import Programs
from tests.support.prometheus_rules import Scene

_MODULES = (test_burn_rate, test_quality, test_system)
_NOWHERE = Path("nowhere")


class _Noted(Scene):
    """A scene that only takes note: promtool sees to it where the test itself runs."""

    def check(self) -> None:
        pass


def _scenes(modules: tuple[ModuleType, ...]) -> Iterator[Scene]:
    """Yield what each test of these modules sets up, but for those with parameters."""
    for module in modules:
        for name, test in inspect.getmembers(module, inspect.isfunction):
            asked = set(inspect.signature(test).parameters)
            if not name.startswith("test_") or not asked <= {"scene", "scene_of"}:
                continue
            scenes = [_noted()]

            def scene_of(config: Config, scenes: list[Scene] = scenes) -> Scene:
                scenes.append(_noted(config))
                return scenes[-1]

            test(**{each: {"scene": scenes[0], "scene_of": scene_of}[each] for each in asked})
            yield from scenes


def _noted(config: Config | None = None) -> Scene:
    return _Noted(Programs(_NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE), _NOWHERE, config or Config())


SCENES = list(_scenes(_MODULES))


@pytest.mark.parametrize("alert", sorted({each.name for each in alerts_of(groups_of(Config()))}))
def test_it_is_quiet_fires_and_is_quiet_again(alert: str) -> None:
    assert any(scene.comes_and_goes(alert) for scene in SCENES)
