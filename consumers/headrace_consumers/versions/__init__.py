"""Versioned datasets: what was captured, and examples from elsewhere, cut into train, val and test.

    table, sources/*.jsonl, edits --cut--> frame --gates--> frame --publish--> <root>/<signature>/v<N>/, latest
    v<N>/ --shelf--> ls, show, rollback, delete    --drift--> diff    --export--> other formats    --card--> README.md

The files are the contract: `headrace_schemas.dataset_files` and `dataset_manifest`. Nothing here imports the rooms
dataset or metrics; the tables are read as any reader reads them. Reading a version into dspy.Examples is
`headrace.load_dataset`, in the producer's package.
"""
