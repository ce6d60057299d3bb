"""Capture: what happens on the caller's thread, from a call of an instrumented module to a `CapturedCall`.

    wrapper (the swapped-in class) --scope: request, suppressed?--> sampling --yes--> recording
    recording: arguments + values (inputs, outputs as JSON), identity (whose dataset), program (which prompts),
               usage (tokens, cost), one span for the root and for each inner predictor
    each span, when it ends --> CapturedCall --> runtime.pipeline.submit, which never blocks
    feedback --CapturedFeedback--> the same

Only modules of this package import dspy, and `headrace` imports them when they are first needed.
"""
