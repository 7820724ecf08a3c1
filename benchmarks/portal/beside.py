"""A portal beside a node for people who have signed in already: what signing in costs is no question here."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from hmchain.application.node.live import open_live
from hmchain.interfaces.api.site import Site, anybody
from hmchain.interfaces.portal import app
from hmchain.processes import yield_to_others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("node", type=Path)
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    yield_to_others()
    with open_live(options.node) as live:
        site = Site(options.node, live, (live.organisation,), anybody(live.organisation))
        uvicorn.run(app.create(site), port=options.port, log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
