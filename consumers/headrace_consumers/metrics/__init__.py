"""The metrics consumer: statistics and sampled records from Kafka become a page that Prometheus scrapes."""
