"""Where the tables beside the dataset are: their paths follow from `dataset.path`."""

__all__ = ["feedback_path", "sightings_path"]


def sightings_path(dataset_path: str) -> str:
    """Return where the copies of the rows' keys are noted."""
    return f"{dataset_path.rstrip('/')}-sightings"


def feedback_path(dataset_path: str) -> str:
    """Return where feedback is."""
    return f"{dataset_path.rstrip('/')}-feedback"
