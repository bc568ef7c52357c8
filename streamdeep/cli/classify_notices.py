"""What ``streamdeep classify`` says on standard error: one line when something changes, and what to do."""

from collections.abc import Callable, Sequence

from streamdeep.heads.rarity import rates
from streamdeep.heads.settings import NoveltySettings
from streamdeep.labelling.labeller import Labelled, Labeller
from streamdeep.wire.trouble import ConnectionState

PATIENCE_S = 3.0
"""An engine that runs answers a joiner within a second."""


class Notices:
    """Remembers what was said.

    Args:
        labeller: whose labels these are.
        settings: what was asked for.
        say: told each line.
    """

    def __init__(
        self, labeller: Labeller, settings: NoveltySettings, say: Callable[[str], None]
    ) -> None:
        self._labeller = labeller
        self._settings = settings
        self._say = say
        self._drifting: set[str] = set()
        self._rate_looked_at = False
        self._silence_told = False

    def silence(self, waited_s: float, connections: Sequence[ConnectionState]) -> None:
        """Nobody has said anything yet: after a while say so, once, and what to do."""
        if waited_s < PATIENCE_S or self._silence_told:
            return
        self._silence_told = True
        for one in connections:
            reason = one.trouble or "connected, but no such stream"
            self._say(
                f"nothing yet from {one.endpoint} ({reason}); waiting. Is an engine running? "
                "`streamdeep run mic` in another terminal starts one, `streamdeep classify mic` one of its own"
            )

    def take(self, one: Labelled) -> None:
        """Say what a label brings that was not so before."""
        scale, noticed, stream = self._labeller.scale, one.noticed, one.message.stream
        if scale is None or noticed is None:
            return
        rarest, most_frequent = rates(scale)
        if not self._rate_looked_at and not rarest <= self._settings.rate <= most_frequent:
            self._say(
                f"the model can tell rates of {rarest:g} to {most_frequent:g}; novelty is told at the "
                f"nearest of them, not at {self._settings.rate:g}"
            )
        self._rate_looked_at = True
        if noticed.drifting and stream not in self._drifting:
            self._drifting.add(stream)
            self._say(
                f"{stream}: for {noticed.drift_s / 60:.0f} minutes what is heard has been unlike the model's training. "
                "Look whether the microphone was moved, covered or broke. If the place is simply another than "
                "the training's, train on sound from here (docs/novelty.md)"
            )
        elif not noticed.drifting and stream in self._drifting:
            self._drifting.remove(stream)
            self._say(f"{stream}: what is heard is like the model's training again")
