"""What a candidate is compared with: the version that is served, as the last rollout has left it."""

from collections.abc import Collection

from headrace_consumers.cycle.artefacts import Baseline, CycleStep, ServedVersion
from headrace_consumers.cycle.errors import CycleError
from headrace_consumers.cycle.rolling_out import Served
from headrace_consumers.cycle.run_folder import SignatureFolder

__all__ = ["UNKNOWN", "check_still_served", "noted"]

UNKNOWN = (
    "compared with the code as it is deployed: without kafka.bootstrap_servers and registry.path it is not known which "
    "version is served"
)


def noted(served: Served | None, misfit: str | None) -> tuple[ServedVersion | None, list[str]]:
    """Return what baseline.json has of the version that is served, and what the user should know about it.

    Args:
        served: it; None: not known.
        misfit: why today's program does not take it; None: it does.
    """
    if served is None:
        return None, [UNKNOWN]
    notes = []
    if misfit is not None:
        notes.append(f"{misfit}. Services answer with the code as it is deployed, and that was measured")
    if served.under_way is not None:
        notes.append(
            f"rollout {served.under_way} is under way; this run can ship nothing before it ends, nor if it is promoted"
        )
    return ServedVersion(version=served.version, digest=served.digest, fits=misfit is None), notes


def check_still_served(folder: SignatureFolder, baseline: Baseline, now: Served | None, own: Collection[str]) -> None:
    """Check that the version with which the candidate was compared is still the one that is served.

    Args:
        folder: of the signature.
        baseline: what was measured.
        now: what is served now; None: not known.
        own: the digests of the candidate, whose rollout a run may have started that was killed.

    Raises:
        CycleError: another one is served by now.
    """
    before = baseline.served
    if now is None or now.digest in own or now.digest == (None if before is None else before.digest):
        return
    measured = "the code as it is deployed" if before is None or before.digest is None else before.version
    files = ", ".join(f"{step}.json" for step in (CycleStep.BASELINE, CycleStep.OPTIMIZE, CycleStep.DECIDE))
    raise CycleError(
        f"{folder.signature}: the candidate was compared with {measured}, and {now.version} is served by now; nothing "
        f"is shipped. Remove {files} in {folder.path}, and these steps are done anew; or leave it to the next run"
    )
