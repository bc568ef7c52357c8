"""The program ``streamdeep-train``, which says what to install where only the engine is."""

import sys

EX_UNAVAILABLE = 69


def main() -> None:
    """Entry point; the trainer's own packages come with the extra ``train``."""
    try:
        from streamdeep_trainer.cli import main as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("streamdeep"):
            raise  # a mistake of ours, not a missing package
        sys.stderr.write(
            f"streamdeep-train: the package {error.name!r} is not installed; "
            "the trainer needs: pip install 'streamdeep[train]'\n"
        )
        sys.exit(EX_UNAVAILABLE)
    run()
