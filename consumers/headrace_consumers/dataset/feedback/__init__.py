"""The feedback topic into a Delta table of its own, exactly once, by the protocol of the dataset.

message -> decode (decrypted, checked) -> rows -> commit of rows and offsets
"""
