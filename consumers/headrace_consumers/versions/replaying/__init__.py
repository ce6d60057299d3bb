"""A version made again from its manifest, and compared with what it was."""
