"""``python -m bench``: run the parts, write the report beside this file."""

import argparse
import sys
from pathlib import Path

from bench.report import write
from bench.suite import PARTS, keep_others, run_suite


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="all in about two minutes")
    parser.add_argument(
        "--only", help=f"some of: {','.join(PARTS)}; the others stay as the folder has them"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="a folder")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else PARTS
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    results = run_suite(wanted, quick=arguments.quick)
    failed = any("failed" in part for part in results["parts"].values())
    print(write(keep_others(results, arguments.out / "results.json"), arguments.out))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
