"""The topic: admission, assignment, polled messages as columns."""
