"""The LM that judges in a cut, as its options name it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.config import Config
    from headrace_consumers.versions.cutting.assembling import Progress
    from headrace_consumers.versions.gates import Gate

__all__ = ["JudgeOptions", "judge_of"]


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """What the command was given.

    Attributes:
        lm: the LM's name; None: the one that the program configures.
        api_base: where it is served.
        program: where the user's judge is; None: Headrace's own.
        criteria: what is good.
        most: judge so many examples that nobody has scored.
    """

    lm: str | None
    api_base: str | None
    program: str | None
    criteria: str
    most: int

    @property
    def are_given(self) -> bool:
        """Whether an LM is to judge.

        Raises:
            UsageError: something is said of a judge, and none is named.
        """
        from headrace.errors import UsageError

        if self.lm is not None or self.program is not None:
            return True
        for option, value in (("--judge-api-base", self.api_base), ("--judge-criteria", self.criteria or None)):
            if value is not None:
                raise UsageError(f"{option}: needs --judge-lm MODEL or --judge-program MODULE:OBJECT")
        return False


def judge_of(config: "Config", signature: str, options: JudgeOptions, progress: "Progress") -> "Gate":
    """Return the gate that asks the judge.

    Raises:
        UsageError: the program cannot be imported, or no LM is configured.
        ConfigError: the signature's class cannot be imported.
        VersionsError: the scores that there are cannot be read.
    """
    from headrace_consumers.cli.making_examples import asker_of
    from headrace_consumers.versions.cutting.cut import signature_folder
    from headrace_consumers.versions.gates.judge import SCORES, Scores, judge_gate, judge_program
    from headrace_consumers.versions.sources.target import load_object, target_of
    from headrace_schemas.dataset_files import SOURCES_FOLDER

    asker = asker_of(judge_program, options.program, options.lm, options.api_base, options="--judge-")
    class_path = config.versions.gates.for_signature(signature).signature_class
    task = signature
    if class_path is not None:
        task = target_of(signature, load_object("versions.gates: signature_class", class_path)).described()
    path = signature_folder(config, signature) / SOURCES_FOLDER / SCORES
    scores = Scores(path, asker, program=options.program or "", task=task, criteria=options.criteria)
    return judge_gate(scores, name=asker.model or options.program or "a judge", most=options.most, progress=progress)
