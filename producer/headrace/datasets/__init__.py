"""Dataset versions as typed dspy.Examples, in the process that optimizes or evaluates.

    <root>/<signature>/v<N>/ --place: which version, hashes checked--> lines --fields: typed--> Examples

The files' contract: `headrace_schemas.dataset_files` and `dataset_manifest`. dspy is imported when examples are made.
"""
