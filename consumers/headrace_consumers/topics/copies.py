"""How many copies Kafka keeps of a topic: three where there are brokers, two of which have acknowledged a record.

The clients write with acks=all, which means as many as `min.insync.replicas` says.
"""

from typing import Final

from headrace_consumers.topics.finding import Finding, TopicState, alter

__all__ = ["COPIES", "copies_for", "too_few_copies"]

COPIES: Final = 3
_IN_SYNC: Final = "min.insync.replicas"
_UNCLEAN: Final = "unclean.leader.election.enable"


def copies_for(replication_factor: int) -> dict[str, str]:
    """Return the settings under which a topic with so many copies survives the loss of any one broker's disk."""
    return {_IN_SYNC: "2"} if replication_factor >= COPIES else {}


def too_few_copies(state: TopicState, address: str, brokers: int) -> list[Finding]:
    """Return what there is to say of a topic's copies.

    Args:
        state: the topic.
        address: goes into the commands that mend.
        brokers: how many there are.
    """
    findings = []
    wanted = min(COPIES, brokers)
    if state.replication_factor < wanted:
        findings.append(
            Finding(
                topic=state.name,
                problem=True,
                what=f"{state.replication_factor} copies on {brokers} brokers, expected {wanted}",
                mend=f"kafka-reassign-partitions.sh --bootstrap-server {address} (or create the topic anew, unused)",
            )
        )
    in_sync = int(state.config.get(_IN_SYNC, "1"))
    if in_sync < 2 <= COPIES <= state.replication_factor:  # noqa: PLR2004  # two of three
        findings.append(
            Finding(
                topic=state.name,
                problem=True,
                what=f"{_IN_SYNC} is {in_sync}, expected 2: what one broker acknowledges alone is lost with it",
                mend=alter(address, state.name, {_IN_SYNC: "2"}),
            )
        )
    if in_sync >= state.replication_factor > 1:
        findings.append(
            Finding(
                topic=state.name,
                problem=False,
                what=f"{_IN_SYNC} is {in_sync} of {state.replication_factor} copies: no broker may be away",
                mend=alter(address, state.name, {_IN_SYNC: str(state.replication_factor - 1)}),
            )
        )
    if state.config.get(_UNCLEAN, "false") == "true":
        findings.append(
            Finding(
                topic=state.name,
                problem=True,
                what=f"{_UNCLEAN} is true, expected false: Kafka may lose the end of the topic",
                mend=alter(address, state.name, {_UNCLEAN: "false"}),
            )
        )
    return findings
