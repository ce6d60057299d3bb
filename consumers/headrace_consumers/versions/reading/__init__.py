"""The tables of interactions, sightings and feedback, read as any reader reads them.

tables --batches--> telemetry (spill by key, said of it) --a bucket at a time--> the cut
"""
