"""The configuration of `headrace demo --loop`, and what it is about: whose examples, how many, which routed module."""

import secrets
from typing import Any, Final

from headrace_consumers.demo.workspace import Workspace
from headrace_consumers.embedded import EmbeddedBroker

__all__ = ["EXAMPLES", "MODULE", "SIGNATURE", "loop_config"]

SIGNATURE: Final = "RouteTicket"
MODULE: Final = "ticket-router"
EXAMPLES: Final = 200
"""With so many the cycle begins."""


def loop_config(workspace: Workspace, broker: EmbeddedBroker, *, is_offline: bool) -> dict[str, Any]:
    """Return the configuration that all its processes read.

    Args:
        workspace: where everything goes.
        broker: the embedded one.
        is_offline: the language model is the demo's own, which answers at once.
    """
    folder = workspace.folder
    return {
        "telemetry": {
            "enabled": True,
            "sampling_rate_pct": 40 if is_offline else 100,
            "service": "headrace-demo",
            "statistics_interval_s": 0.5,
        },
        "kafka": {"bootstrap_servers": broker.bootstrap_servers, "embedded_id": broker.embedded_id},
        "spool": {"path": str(folder / "spool")},  # where a router keeps what it knows, too
        "dataset": {
            "path": str(workspace.dataset_path),
            "state_path": str(workspace.state_path),
            "group_id": f"headrace-demo-{secrets.token_hex(4)}",
            "commit_interval_s": 1,
        },
        "versions": {
            "path": str(folder / "training_data"),
            # All is telemetry, and about as difficult.
            "gates": {"default": {"max_share_per_source": 1.0, "max_difficulty_deviation": 1.0}},
        },
        "optimization": {
            "path": str(folder / "optimization"),
            "signatures": {SIGNATURE: {"program": "headrace_consumers.demo.loop_program:program", "module": MODULE}},
            "git_target": 0,
            "synthetic_target": 0,
            "telemetry_target": EXAMPLES,
            "trials": 5,
            "optimizer_options": {"num_candidates": 4, "max_bootstrapped_demos": 2, "max_labeled_demos": 6},
        },
        "registry": {"path": str(folder / "programs")},
        # In life stages take hours, and prove more.
        "rollout": {
            "look_s": 0.5,
            "max_latency_ratio": 3.0,
            "slow_margin": 0.2,
            "stages": [
                {"share": 0.1, "min_calls": 30, "min_s": 2, "margin": 0.3},
                {"share": 0.25, "min_calls": 50, "min_s": 2, "margin": 0.2},
                {"share": 0.5, "min_calls": 100, "min_s": 2, "margin": 0.1},
            ],
        },
    }
