"""SQL over the table, by DuckDB: one statement that reads, and no way to any other file or to the network.

    Delta table -> pyarrow dataset, named `dataset` -> DuckDB in memory, external access off -> at most so many rows

DuckDB's own Delta extension would have to be downloaded; pyarrow's dataset takes filters and columns to the files too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import UsageError
from headrace_consumers.cli.table_access import TableReadError, opened

if TYPE_CHECKING:
    import duckdb

    from headrace.config.consumers import Dataset

__all__ = ["Answer", "query"]

_LOCKED: Final = (
    "set enable_external_access = false",
    "set python_enable_replacements = false",  # or a name in SQL could be a variable of this program
    "set timezone = 'UTC'",
    "set lock_configuration = true",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query returned.

    Attributes:
        columns: their names, in order, each once.
        rows: values of Python, as many in each as there are columns.
        is_cut: there are more rows.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def query(dataset: "Dataset", sql: str, most: int) -> Answer:
    """Return the answer to one SELECT over the table `dataset`.

    Args:
        dataset: the configuration of the table.
        sql: DuckDB's dialect.
        most: at most so many rows.

    Raises:
        TableReadError: the table is missing or cannot be read.
        UsageError: DuckDB refuses the statement, or it is not one that reads.
    """
    import duckdb

    with opened(dataset, lambda table: table.to_pyarrow_dataset()) as source, duckdb.connect(":memory:") as connection:
        connection.register("dataset", source)
        for statement in _LOCKED:
            connection.execute(statement)
        try:
            return _answer(connection, sql, most)
        except duckdb.Error as error:
            if "registered as 'dataset'" in str(error):  # not the statement: pyarrow cannot read a file of the table
                raise TableReadError(
                    f"{dataset.path}: {_line(error)}; headrace dataset verify tells what is wrong"
                ) from error
            raise UsageError(f"dataset query: {_line(error)}") from error


def _answer(connection: "duckdb.DuckDBPyConnection", sql: str, most: int) -> Answer:
    import duckdb
    import pyarrow as pa

    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type not in {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
        raise UsageError('dataset query: expected one statement that reads, e.g. "select count(*) from dataset"')
    relation = connection.sql(statements[0])
    if statements[0].type is duckdb.StatementType.SELECT:
        relation = relation.limit(most + 1)  # it also names equal columns apart
    found = pa.RecordBatchReader.from_stream(relation).read_all()
    columns = [column.to_pylist() for column in found.slice(0, most).columns]
    return Answer(list(found.column_names), list(zip(*columns, strict=True)), found.num_rows > most)


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]
