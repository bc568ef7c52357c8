"""One part, by itself: ``python -m bench.part frontend [--quick]`` prints what it found as JSON."""

import argparse
import contextlib
import importlib
import json
import sys

from bench.suite import PARTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    with contextlib.redirect_stdout(sys.stderr):  # what libraries say is not the result
        found = importlib.import_module(f"bench.{arguments.part}").run(arguments.quick)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
