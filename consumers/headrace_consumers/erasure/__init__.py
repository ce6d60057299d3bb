"""Erasing a person: out of the tables now, out of the rest by a date that the certificate tells.

    suppressed in the tables' properties    no commit after it takes the person's records
    -> dataset versions that have the person's examples rewritten without them
    -> side tables, dataset: files rewritten without the rows, each replacement one fenced commit
    -> old files that hold the rows deleted
    -> certificate

Killed anywhere, the same command does the rest: what was removed is told by the commits themselves. The seen-sets
follow by themselves (`dataset.upkeep`), for the commits raise the table's number of erasures.
"""
