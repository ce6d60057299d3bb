"""A candidate beside the baseline: what the counters prove, what follows from it, and the consumer that does it.

    statistics, feedback --evidence_reader, intake--> experiment: counted, by arm and stage
    experiment --proportions, ratios, decision--> hold, promote, roll back or halt --moves--> change
    change + state --desk, one transaction--> rollout topic (state, log) and control topic (the services' router)
    headrace rollout ... --commands--> the same desk

Evidence may be looked at after every call without spending anything: it is valid at all times at once. State lives in
Kafka only: whoever sits down at the desk reads it, and who sat there before can write no more.
"""
