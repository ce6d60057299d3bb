"""A forked worker goes on with the routes of its parent, and takes orders of its own."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, sys
from pathlib import Path
import dspy
from tests.unit.headrace.capture.conftest import capturing
from tests.unit.headrace.routing.test_routing import ask
from tests.unit.headrace.routing.world import Hearing, Twice, World, rollout, version_of

lm = Hearing()
with dspy.context(lm=lm), capturing(0) as pipeline:
    world = World(Path(sys.argv[1]))
    program = world.route(Twice())
    digest = world.registry.put(version_of("v2"))
    world.order(rollout(digest))
    world.in_background = lambda _: None  # a fetch that has begun and does not end
    other = rollout(world.registry.put(version_of("v3", module="other")), module="other")
    world.order(rollout(digest), other)
    fetched = []
    world.in_background = fetched.append
    world.router.idle()
    assert not fetched
    world.router._lock.acquire()  # some thread of the parent may hold it
    child = os.fork()
    if child == 0:
        world.router.renew()  # as the fork handler of headrace.runtime does for the router in place
        ask(program)
        world.router.idle()
        assert len(fetched) == 1
        world.order(rollout(digest, "rolled_back"))
        ask(program)
        os._exit(lm.versions != ["v2", "v2", "deployed", "deployed"])
    _, status = os.waitpid(child, 0)
    ask(program)
    assert lm.versions == ["v2", "v2"]
    sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_goes_on_with_the_routes_and_is_routed_by_itself(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(tmp_path)],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
