"""`python -m bench` runs all but the million; `python -m bench NAME` one of them."""

from __future__ import annotations

import sys

from bench import rates


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "rates"
    if name == "rates":
        rates.run(*sys.argv[2:3])


if __name__ == "__main__":
    main()
