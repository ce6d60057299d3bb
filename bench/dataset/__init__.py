"""The dataset job, measured beside its ceilings and its peers on one real Kafka; see bench/dataset_job.py."""
