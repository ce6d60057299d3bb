"""Which module's calls are sampled how often, so that a budget of records a second goes where examples are short.

    statistics --observing--> calls and failures a second, by module
    table --examples--> examples that there are
    both --planning, rates--> a rate each, or none --adapting--> orders on the control topic, or orders taken back

A rate is in each record as its inclusion probability, so every estimate stays right while rates change.
"""
