"""``python -m integrations.sandbox``: the two emulated CRMs by themselves."""

import argparse
from datetime import date
from pathlib import Path

from integrations.sandbox.serve import serve


def main() -> None:
    """Read the arguments and serve until stopped."""
    parser = argparse.ArgumentParser(prog="sandbox", description="Salesforce and HubSpot, emulated on loopback.")
    parser.add_argument("--salesforce-port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--hubspot-port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--state", type=Path, help="file that keeps the records; without it they live in memory")
    sample = parser.add_mutually_exclusive_group()
    sample.add_argument("--customers", type=int, default=0, help="how many sample customers to begin with")
    sample.add_argument("--empty", action="store_true", help="begin without customers (the default)")
    parser.add_argument("--seed", type=int, default=0, help="which sample")
    parser.add_argument("--as-of", type=date.fromisoformat, help="the day it is in both CRMs; without it, today")
    parser.add_argument("--files", type=Path, help="folder for the sample's usage and survey files")
    parser.add_argument("--token", help="access token of both CRMs; without it a random one")
    parser.add_argument("--bare", action="store_true", help="begin without what plansync provision makes")
    given = parser.parse_args()
    serve(
        salesforce_port=given.salesforce_port,
        hubspot_port=given.hubspot_port,
        state_path=given.state,
        customers=given.customers,
        seed=given.seed,
        as_of=given.as_of,
        files=given.files,
        token=given.token,
        bare=given.bare,
    )


if __name__ == "__main__":
    main()
