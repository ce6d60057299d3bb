"""The optimization cycle: from what was captured to a better program, or to the reason why none is shipped.

    collect --> gate --> cut --> baseline --> optimize --> decide --> roll out         one signature after the other
       |          |       |         |            |           |            |
    collect.json  gate.json  cut.json  baseline.json  optimize.json  decide.json  roll-out.json    in the run's folder

A step is done when its artefact is there. Code and LMs of the user's run in a process of their own (`worker`), which
ends with the run. The rooms dataset and rollout are reached through what the command line passes in.
"""
