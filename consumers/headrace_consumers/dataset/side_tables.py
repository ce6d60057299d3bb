"""Where the tables beside the dataset are: their paths follow from `dataset.path`, and that of feedback may be set."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.config.consumers import Dataset

__all__ = ["feedback_beside", "feedback_path", "sightings_path"]


def sightings_path(dataset_path: str) -> str:
    """Return where the copies of the rows' keys are noted."""
    return f"{dataset_path.rstrip('/')}-sightings"


def feedback_path(dataset: "Dataset") -> str:
    """Return where feedback is: it outlives a dataset that is built anew in another place."""
    return feedback_beside(dataset.path) if dataset.feedback_path is None else dataset.feedback_path.rstrip("/")


def feedback_beside(dataset_path: str) -> str:
    """Return where feedback is, as long as nothing else is configured."""
    return f"{dataset_path.rstrip('/')}-feedback"
