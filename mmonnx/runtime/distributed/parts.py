"""Where Ray Data's workers write: a folder with a part for each task, as JSON Lines or Parquet."""

from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

import pyarrow.compute
import pyarrow.parquet
from ray.data.block import BlockAccessor
from ray.data.datasource import BlockBasedFileDatasink

from ..predicting import REASONS, Predicted
from .batches import line_of

_ROWS = 1024
"""Of a part, at least, but for the last one: a million pictures are not to make a million files."""


class Counts(NamedTuple):
    """What a task wrote: pictures, those without an answer, and the first of these with the reason."""

    rows: int
    skipped: int
    reasons: List[Tuple[str, str]]


class Parts(BlockBasedFileDatasink):
    """A folder of parts; a task that is done again writes the same part again.

    Args:
        path: the folder, on any file system that pyarrow knows.
        kind: ``jsonl`` or ``parquet``.

    Attributes:
        summary: what came of it, of the tasks that succeeded; None before the end.
    """

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(path, file_format=kind, min_rows_per_file=_ROWS)
        self._kind = kind
        self.summary: Optional[Predicted] = None

    def write(self, blocks: Iterable[Any], ctx: Any) -> Any:
        """Write a task's blocks as one part."""
        tables = [BlockAccessor.for_block(block).to_arrow() for block in blocks]
        tables = [table for table in tables if table.num_rows]  # one without rows may be without columns too
        if not tables:
            return Counts(0, 0, [])
        table = pyarrow.concat_tables(tables)
        super().write([table], ctx)
        failed = table.filter(pyarrow.compute.is_valid(table["error"])).select(["file", "error"])
        reasons = [(row["file"], row["error"]) for row in failed.slice(0, REASONS).to_pylist()]
        return Counts(table.num_rows, failed.num_rows, reasons)

    def write_block_to_file(self, block: Any, file: Any) -> None:
        """Write a part."""
        if self._kind == "parquet":
            pyarrow.parquet.write_table(block.to_arrow(), file)
            return
        for row in block.to_arrow().to_pylist():
            file.write(f"{line_of(row)}\n".encode())

    def on_write_complete(self, write_result: Any) -> None:
        """Add up what the tasks wrote."""
        counts: List[Counts] = write_result.write_returns
        skipped = sum(one.skipped for one in counts)
        reasons = sorted(reason for one in counts for reason in one.reasons)[:REASONS]
        self.summary = Predicted(sum(one.rows for one in counts) - skipped, skipped, reasons)
        super().on_write_complete(write_result)
