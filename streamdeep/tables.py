"""Embeddings as tables: a pandas DataFrame or an Arrow table of what a subscriber received.

pandas and pyarrow are optional and imported where they are used. Not here: files on their way to a table
(``streamdeep embed``).
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamdeep.errors import ConfigurationError, MissingDependencyError
from streamdeep.wire.kinds import EmbeddingMessage

if TYPE_CHECKING:
    from streamdeep.wire.subscriber import Subscriber

_MESSAGES_MOST = 1_000_000


def collect(
    subscriber: "Subscriber", n_messages: int | None = None, *, duration_s: float | None = None
) -> list[EmbeddingMessage]:
    """Receive embeddings until there are enough or the time is over; other messages are passed over.

    Args:
        subscriber: from which; it stays open.
        n_messages: how many; None: as many as come in ``duration_s``, at most a million.
        duration_s: how long at most; None: until there are ``n_messages``, or the subscriber's own
            ``timeout_s`` ends it.

    Raises:
        ValueError: neither is given, or one is negative.
    """
    if n_messages is None and duration_s is None:
        raise ValueError("collect needs n_messages, duration_s or both, or it would never end")
    if (n_messages or 0) < 0 or (duration_s or 0) < 0:
        raise ValueError(f"n_messages {n_messages} and duration_s {duration_s} cannot be negative")
    most = _MESSAGES_MOST if n_messages is None else n_messages
    deadline_s = None if duration_s is None else time.monotonic() + duration_s
    found: list[EmbeddingMessage] = []
    while len(found) < most:
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        message = subscriber.receive(subscriber.timeout_s if left_s is None else left_s)
        if isinstance(message, EmbeddingMessage):
            found.append(message)
        if message is None or left_s == 0.0:
            break
    return found


def arrow_table(messages: Sequence[EmbeddingMessage]) -> Any:
    """An Arrow table, a row per message in the order given.

    Columns: ``stream``, ``session`` and ``model`` (hexadecimal), ``epoch``, ``sequence``, ``start_sample``,
    ``n_samples``, ``sample_rate_hz``, ``captured_utc`` (timestamp in ns, UTC), ``flags`` (see
    :class:`~streamdeep.records.Flag`), ``level_dbfs``, ``novelty`` (null where the model cannot tell),
    ``embedding`` (fixed-size list of float32).

    Raises:
        ConfigurationError: no message, or vectors of different lengths.
        MissingDependencyError: pyarrow is not installed.
    """
    pyarrow = require_pyarrow()
    vectors = _vectors(messages)
    columns = {name: pyarrow.array(values) for name, values in _columns(messages).items()}
    columns["captured_utc"] = columns["captured_utc"].cast(pyarrow.timestamp("ns", "UTC"))
    columns["novelty"] = columns["novelty"].cast(pyarrow.float64())  # also where all are null
    return pyarrow.table({**columns, "embedding": fixed_size_lists(vectors)})


def data_frame(messages: Sequence[EmbeddingMessage]) -> Any:
    """A pandas DataFrame with the columns of :func:`arrow_table`; ``embedding`` holds an array per row.

    ``numpy.stack(frame["embedding"])`` is the matrix ``(rows, dim)``.

    Raises:
        ConfigurationError: no message, or vectors of different lengths.
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError("a DataFrame needs pandas: pip install pandas") from error
    vectors = _vectors(messages)
    frame = pd.DataFrame(_columns(messages))
    frame["captured_utc"] = frame["captured_utc"].astype("datetime64[ns]").dt.tz_localize("UTC")
    frame["novelty"] = frame["novelty"].astype("float64")
    frame["embedding"] = list(vectors)
    return frame


def require_pyarrow() -> Any:
    """The module pyarrow, with its parquet part.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError(
            "parquet needs pyarrow: pip install 'streamdeep[parquet]'"
        ) from error
    return pyarrow


def fixed_size_lists(vectors: NDArray[np.float32]) -> Any:
    """An Arrow array of fixed-size lists from vectors ``(rows, dim)``."""
    pyarrow = require_pyarrow()
    return pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(vectors.reshape(-1)), vectors.shape[1]
    )


def _vectors(messages: Sequence[EmbeddingMessage]) -> NDArray[np.float32]:
    dims = sorted({len(message.vector) for message in messages})
    if not dims:
        raise ConfigurationError("no embeddings came: is the stream's name right, and does it run?")
    if len(dims) > 1:
        raise ConfigurationError(
            f"embeddings of different models, {' and '.join(map(str, dims))} numbers long, make no table: "
            "choose one by `model`, or subscribe to one stream"
        )
    return np.stack([message.vector for message in messages])


def _columns(messages: Sequence[EmbeddingMessage]) -> dict[str, Any]:
    """All columns but the vectors."""

    def whole(name: str) -> NDArray[np.int64]:
        return np.array([getattr(message, name) for message in messages], dtype=np.int64)

    return {
        "stream": [message.stream for message in messages],
        "session": [message.session.hex() for message in messages],
        "epoch": whole("epoch"),
        "sequence": whole("sequence"),
        "start_sample": whole("start_sample"),
        "n_samples": whole("n_samples"),
        "sample_rate_hz": whole("sample_rate_hz"),
        "captured_utc": whole("captured_utc_ns"),
        "flags": whole("flags"),
        "model": [message.model.hex() for message in messages],
        "level_dbfs": [message.level_dbfs for message in messages],
        "novelty": [message.novelty for message in messages],
    }
