"""Every way in which a DSPy program is called: what it does for its caller with Headrace is what it does without."""
