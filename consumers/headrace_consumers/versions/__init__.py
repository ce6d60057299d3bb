"""Versioned datasets: what was captured, and examples from elsewhere, cut into train, val and test.

    table, sources/*.jsonl, edits --cut--> frame --gates--> frame --publish--> <root>/<signature>/v<N>/, latest
    v<N>/ --shelf--> ls, show, rollback, delete    --drift--> diff    --export--> other formats    --card--> README.md

    sources/, hand/    examples and edits from elsewhere     reading/    the tables
    cutting/, gates/   the cut, and what it must meet        shelf/      v<N>/, latest
    sketches/          which inputs may be near-duplicates
    replaying/         a version made again                  erasing/    a person out of versions
    telling/           card, report, diff                    exporting/  other formats
    files/             what all of them read and write

The files are the contract: `headrace_schemas.dataset_files` and `dataset_manifest`. Nothing here imports the rooms
dataset or metrics; the tables are read as any reader reads them. Reading a version into dspy.Examples is
`headrace.load_dataset`, in the producer's package.
"""
