"""The command line: ``python -m streamreg``, and the script ``streamreg``."""

import sys

from ._core import run


def main() -> None:
    """Runs the command line with the arguments of the process, and ends it."""
    sys.exit(run(["streamreg", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
