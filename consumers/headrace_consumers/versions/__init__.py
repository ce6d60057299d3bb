"""Versioned datasets: what was captured, and examples from elsewhere, cut into train, val and test.

The files are the contract: `headrace_schemas.dataset_files`. Nothing here imports the rooms dataset or metrics; the
tables are read as any reader reads them.
"""
