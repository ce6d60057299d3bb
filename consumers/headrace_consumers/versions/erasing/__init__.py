"""A person's examples out of the versions that have some."""
