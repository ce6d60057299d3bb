"""The broker: its address, the topics' names, librdkafka's options."""

from pydantic import Field, model_validator

from headrace.config.privacy import KeyReference
from headrace.config.section import Options, Positive, Section, TopicName
from headrace_schemas import topics

__all__ = ["Kafka", "Topics"]


class Topics(Section):
    """Topic names, for brokers with naming rules of their own."""

    interactions: TopicName = topics.INTERACTIONS
    dead_letters: TopicName = topics.DEAD_LETTERS
    statistics: TopicName = topics.STATISTICS
    feedback: TopicName = topics.FEEDBACK
    control: TopicName = topics.CONTROL
    rollout: TopicName = topics.ROLLOUT

    @model_validator(mode="after")
    def _differ(self) -> "Topics":
        named: dict[str, str] = {}
        for purpose, name in self:
            if name in named:
                raise ValueError(f"kafka.topics: {named[name]} and {purpose} name one topic; they must differ")
            named[name] = purpose
        return self


class Kafka(Section):
    """The broker. Options are librdkafka's own and pass through."""

    bootstrap_servers: str | None = Field(None, description="HOST:PORT[,HOST:PORT...].", min_length=1)
    topics: Topics = Field(default_factory=Topics)
    options: Options = Field(default_factory=dict, description="librdkafka options for every client.")
    secret_options: dict[str, KeyReference] = Field(
        default_factory=dict,
        description="librdkafka option -> env:NAME or file:PATH of its value, e.g. sasl.password; for every client.",
    )
    producer_options: Options = Field(default_factory=dict, description="... for producers.")
    consumer_options: Options = Field(default_factory=dict, description="... for consumers.")
    retention_days: Positive = Field(7, description="Interactions are gone from Kafka after so many days.")
    late_retention_days: Positive = Field(30, description="... dead letters and feedback.")
    embedded_id: str | None = Field(
        None, min_length=1, description="Stands for the topic ids that an embedded broker lacks; for demos and tests."
    )

    @model_validator(mode="after")
    def _once(self) -> "Kafka":
        for section in ("options", "producer_options", "consumer_options"):
            for name in sorted(self.secret_options.keys() & getattr(self, section).keys()):
                raise ValueError(f"kafka.secret_options: {name} stands in kafka.{section} too; keep one of them")
        return self
