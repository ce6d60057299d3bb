"""What is deployed beside the services: consumers, datasets, the command line.

    dataset/      interactions from Kafka to a Delta table, exactly once
    deadletters/  what could not be read
    cli/          the command `headrace`, one file a command group
    demo/         the main job on one machine, for newcomers

The rooms do not import each other; they meet in topics, tables and files. The command line imports them when a
command runs.
"""
