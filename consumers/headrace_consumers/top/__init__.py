"""`headrace top`: the consumers' own figures in a terminal.

    /metrics --page--> Reading --history--> increases of a window --calls, pipeline--> rows --draw--> lines

All of it is pure but `fetch` (HTTP), `watching` (a thread a consumer) and `screen` (the terminal).
"""
