"""How the cumulative records of producers are read, so that each increase counts once; shared by metrics and rollout.

beginning: where a partition is read from, and from where on it counts
message --place--> reading --decoding--> record --series--> totals of its series
  --producers--> what they grew by since the newest before
"""
