"""What the tests of alerts stand on: real programs, reachable from this machine only, and gone when the run is."""

import re
from pathlib import Path

from tests.support.prometheus import Alertmanager, Prometheus, run_tool, start_alertmanager, start_prometheus
from tests.support.prometheus_programs import Programs
from tests.support.prometheus_webhook import webhook
from tests.support.waiting import wait_until

_RULE = """
groups:
  - name: one
    rules: [{alert: Always, expr: vector(7), annotations: {summary: "now {{ $value }}"}}]
"""


def _process(started: Prometheus | Alertmanager) -> int:
    """Return the id of the process that listens at its address."""
    port = int(started.url.rpartition(":")[2])
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text(encoding="utf-8").split("\0")
        except OSError:
            continue
        if f"--web.listen-address=127.0.0.1:{port}" in command and "lifeline" not in " ".join(command[:2]):
            return int(folder.name)
    raise AssertionError(started.url)


def _listening(pid: int) -> set[str]:
    """Return the addresses at which a process takes connections or packets, in hexadecimal as the kernel has them."""
    held = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    inodes = {match[1] for each in held if (match := re.fullmatch(r"socket:\[(\d+)\]", each))}
    found = set()
    for name, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path(f"/proc/{pid}/net/{name}").read_text(encoding="utf-8").splitlines()[1:]:
            columns = line.split()
            if columns[3] == state and columns[9] in inodes:
                found.add(columns[1].partition(":")[0])
    return found


def test_an_alert_goes_the_whole_way_and_nothing_listens_beyond_this_machine(prometheus_tools: Programs) -> None:
    with webhook() as received:
        alertmanager = start_alertmanager(prometheus_tools, received.url)
        prometheus = start_prometheus(prometheus_tools, targets={}, rules=[_RULE], alertmanager=alertmanager)
        try:
            assert [_listening(_process(each)) for each in (prometheus, alertmanager)] == [{"0100007F"}] * 2
            came = wait_until(lambda: received.alerts("Always", "firing"), "the alert")
            assert came[0]["annotations"] == {"summary": "now 7"}
            asked = run_tool(prometheus_tools.amtool, "alert", f"--alertmanager.url={alertmanager.url}")
            assert "Always" in asked.stdout, asked.stdout
        finally:
            prometheus.lifeline.cut()
            alertmanager.lifeline.cut()
    assert not prometheus.lifeline.holds()
    assert not alertmanager.lifeline.holds()


def test_promtool_refuses_what_is_no_rule_file(prometheus_tools: Programs, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("groups: [{name: one, rules: [{alert: A, expr: 'sum('}]}]", encoding="utf-8")
    checked = run_tool(prometheus_tools.promtool, "check", "rules", "rules.yaml", folder=tmp_path)
    assert checked.returncode == 1
    assert "could not parse expression" in checked.stdout
