"""``python -m bench.endurance``: the run, and its table."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from bench.endurance.report import faults_of, report
from bench.endurance.show import run_show

LEAST_S = 60.0
"""Below, the faults would overlap."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.endurance", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=10.0, help="of sound [default: 10]")
    length.add_argument("--seconds", type=float)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--keep", type=Path, help="an empty folder for all files, which stay there")
    arguments = parser.parse_args()
    length_s = arguments.seconds or 60 * arguments.minutes
    if length_s < LEAST_S:
        parser.error(f"at least {LEAST_S:g} s, or the faults overlap")
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="streamdeep-endurance-"))
    try:
        found = run_show(folder, length_s)
    finally:
        if arguments.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    wrong = faults_of(found)
    print(json.dumps({**found, "wrong": wrong}) if arguments.json else report(found))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
