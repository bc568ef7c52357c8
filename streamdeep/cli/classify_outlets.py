"""Where ``streamdeep classify`` gives its labels besides the screen: files and a socket."""

import contextlib
from typing import Final, Self

from rich.console import Console

from streamdeep.cli.classify_settings import ClassifySettings
from streamdeep.heads.head import load_head
from streamdeep.labelling.formats import Heard
from streamdeep.labelling.labelfile import LabelFile
from streamdeep.labelling.labeller import Labelled, Labeller
from streamdeep.wire.gate import Guard
from streamdeep.wire.publisher import Publisher

QUEUE: Final = 4096
"""Messages in either direction: streams that began together end their segments together."""


class Outlets:
    """A head's labels on their way to files and a socket; closed when it is left.

    Args:
        settings: which head, which files, which socket.
        errors: told what could not be written.

    Attributes:
        labeller: what makes the labels.

    Raises:
        ModelError: the head cannot be used.
        ConfigurationError: a setting does not fit it, or a file or address cannot be had.
    """

    def __init__(self, settings: ClassifySettings, errors: Console) -> None:
        self._head = load_head(settings.head)
        self.labeller = Labeller(self._head, settings.decision, novelty=settings.novelty)
        self._errors = errors
        with contextlib.ExitStack() as stack:
            self._files = []
            for pattern in settings.out:
                self._files.append(LabelFile(pattern, self._say))
                stack.callback(self._files[-1].close)
            self._publisher = None
            if settings.publish is not None:
                encrypt = settings.allow is not None
                guard = Guard.load(settings.identity, settings.allow) if encrypt else None
                self._publisher = stack.enter_context(
                    Publisher(
                        settings.publish,
                        insecure=settings.insecure,
                        guard=guard,
                        high_water_mark=QUEUE,
                    )
                )
                self._say(f"labels are published on {self._publisher.endpoint}")
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()
        if unwritten := sum(file.unwritten for file in self._files):
            self._say(f"{unwritten} labels could not be written")

    def _say(self, line: str) -> None:
        self._errors.print(line, markup=False, soft_wrap=True)

    def take(self, one: Labelled) -> None:
        """Write it down and send it."""
        for sound in one.changes:
            for file in self._files:
                file.write(Heard(self._head.name, one.message, sound))
        if self._publisher is not None:
            noticed = one.noticed
            self._publisher.publish_label(
                one.message,
                head=self._head.name,
                label=one.label,
                probabilities=one.probabilities,
                sounds=one.told,
                novelty_rate=None if noticed is None else noticed.rate,
                novel=None if noticed is None else noticed.novel,
                drifting=None if noticed is None else noticed.drifting,
            )

    def service(self) -> None:
        """Look after those who join; to be called a few times a second."""
        if self._publisher is not None:
            self._publisher.service()
