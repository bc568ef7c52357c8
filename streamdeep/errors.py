"""What can go wrong, as one short tree.

    StreamdeepError                 anything a user can mend; the message says how
    ├── ConfigurationError          a setting is wrong, or two of them contradict each other
    ├── SourceError                 sound cannot be had: no such file, no such device, not audio
    ├── ModelError                  the model or head file is damaged, foreign or too new
    │   └── MismatchError           two good files that do not belong together
    ├── WireError                   the network side
    │   ├── BindError               the publisher cannot have its address
    │   └── MessageError            bytes that are no message of this protocol
    └── MissingDependencyError      an optional package or system library is not installed

    StageClosedError(RuntimeError)  a bug in the calling program: push after flush without reset

Wrong arguments to a function are Python's own ``ValueError`` and ``TypeError``. Not here: how an error
is shown (the command line) or counted (whoever catches it).
"""


class StreamdeepError(Exception):
    """A failure that a user can mend; the message is one line and says what to do.

    Attributes:
        exit_code: what a program ends with, after ``sysexits.h``.
    """

    exit_code = 1


class ConfigurationError(StreamdeepError):
    """A setting is wrong (``EX_CONFIG``)."""

    exit_code = 78


class SourceError(StreamdeepError):
    """Sound cannot be had from where it was asked for (``EX_NOINPUT``)."""

    exit_code = 66


class ModelError(StreamdeepError):
    """A model or head file cannot be trusted or understood (``EX_DATAERR``)."""

    exit_code = 65


class MismatchError(ModelError):
    """Two files, each good, that do not belong together."""


class WireError(StreamdeepError):
    """The network side failed (``EX_UNAVAILABLE``)."""

    exit_code = 69


class BindError(WireError):
    """The publisher cannot have the address it was given."""


class MessageError(WireError):
    """Bytes that are no message of this protocol; count them and go on."""


class MissingDependencyError(StreamdeepError):
    """An optional package or a system library is not installed (``EX_UNAVAILABLE``)."""

    exit_code = 69


class StageClosedError(RuntimeError):
    """A stage was pushed to after ``flush`` without a ``reset`` between."""
