"""Finding a module never waits for a thread that is not there, nor for itself."""

import subprocess
import sys

from headrace.capture import registry

CHILD = """
import os, threading
from headrace.capture import registry

class Module: ...
module = Module()
registry.add("m", "baseline", module)
held, end = threading.Event(), threading.Event()
def hold():
    with registry._guard.lock:
        held.set()
        end.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    registry.find("m")
    os._exit(7)
status = os.waitpid(child, 0)[1]
end.set()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_signal_handler_may_look_while_its_thread_does():
    class Module: ...

    module = Module()
    registry.add("in a handler", "baseline", module)
    with registry._guard.lock:
        assert registry.find("in a handler") is module


def test_a_child_forked_while_a_thread_looks_may_look():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHILD], timeout=60, check=False)
    assert done.returncode == 7
