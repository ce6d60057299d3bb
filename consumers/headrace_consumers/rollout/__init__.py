"""A candidate beside the baseline: what the counters prove, and what follows from it. Pure so far.

    counts of each stage --proportions, ratios--> evidence --decision--> hold, promote, roll back or halt

Evidence may be looked at after every call without spending anything: it is valid at all times at once.
"""
