"""`python -m bench` compares with the floors and prints ratios; `python -m bench NAME` runs one benchmark:

rates (the six operations), graphql, sweep, guided (answers in playbooks), mdm (a district's devices synced),
network (polls beside the bare SNMP libraries; some minutes), or flat (10,000 tickets against 1,000,000; some
minutes more).
"""

from __future__ import annotations

import sys

from bench import flat, graphql, guided, mdm, rates, sweep
from bench.network import run as network

ALONE = {
    "rates": rates.run,
    "graphql": graphql.run,
    "sweep": sweep.run,
    "guided": guided.run,
    "flat": flat.run,
    "network": network.run,
    "mdm": mdm.run,
}


def main() -> None:
    match sys.argv[1:]:
        case []:
            rates.run()
            graphql.run()
            sweep.run()
            guided.run()
        case [name] if name in ALONE:
            ALONE[name]()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
