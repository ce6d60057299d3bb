"""Files of the versions and beside them: how they are written, read and appended to."""
