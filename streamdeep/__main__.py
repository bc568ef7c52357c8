"""``python -m streamdeep``."""

from streamdeep.cli import main

main()
