"""What pages show, found out: each file asks one kind of source, reads no more than it needs, and writes nothing."""
