"""Gates: what a dataset must meet, each with a threshold per signature, a verdict, and the examples that offend.

    examples --gates of examples--> set aside what offends --draw--> the version's --gates of the whole--> verdicts

A gate is pure: a frame in, a verdict out. One file a gate, and a place in GATES.
"""

from typing import Final

from headrace_consumers.versions.gates.balance import SOURCE_BALANCE
from headrace_consumers.versions.gates.duplicates import DUPLICATES
from headrace_consumers.versions.gates.gate import Context, Gate, Verdict, no_offenders
from headrace_consumers.versions.gates.leakage import LEAKAGE
from headrace_consumers.versions.gates.near_duplicates import NEAR_DUPLICATES
from headrace_consumers.versions.gates.personal_data import PERSONAL_DATA
from headrace_consumers.versions.gates.quality import QUALITY
from headrace_consumers.versions.gates.schema import SCHEMA
from headrace_consumers.versions.gates.size import MINIMUM_SIZE
from headrace_consumers.versions.gates.stratification import CATEGORIES, STRATIFICATION
from headrace_consumers.versions.gates.together import TOGETHER

__all__ = ["GATES", "Context", "Gate", "Verdict", "no_offenders", "with_judge"]

GATES: Final[tuple[Gate, ...]] = (
    SCHEMA,
    PERSONAL_DATA,
    QUALITY,
    DUPLICATES,
    NEAR_DUPLICATES,
    LEAKAGE,
    TOGETHER,
    SOURCE_BALANCE,
    MINIMUM_SIZE,
    STRATIFICATION,
    CATEGORIES,
)
"""In the order in which they judge; what offends one is not shown to the next."""


def with_judge(judge: Gate) -> tuple[Gate, ...]:
    """Return the gates with an LM's, behind that of personal data and before that of quality."""
    place = GATES.index(QUALITY)
    return (*GATES[:place], judge, *GATES[place:])
