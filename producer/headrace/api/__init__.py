"""The functions a service calls, curated in `headrace`. What needs dspy is imported when it is first called."""
