"""Examples that are no telemetry: made or brought by a command, kept in a pool until a dataset is cut.

git log, an LM, files  -->  one command each  -->  pool: <root>/<signature>/sources/<source>.jsonl  -->  the cut
"""
