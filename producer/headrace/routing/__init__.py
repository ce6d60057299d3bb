"""Which program version each request of a routed module gets; `headrace.instrument(..., router=True)`.

    control topic --Follower--> rollouts --Router--> a Routing for each routed module, swapped by reference
    registry --fetched in the follower's thread, checked--> Program --fitted--> what each predictor is told
    call: Routing.route(request id) --dspy.settings--> each predictor's `signature=` and `demos=`

A call does no more than hash its request id. What cannot be used leaves the baseline serving, is counted and logged.
"""
