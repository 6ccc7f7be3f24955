"""Run by the Python of backlot's own environment: serve the records of a file, say where, and end with standard input.

``python serve_backlot.py RECORDS.json`` prints ``{"base_url", "token"}`` as one line. Telemetry is off.
"""

import json
import sys
from pathlib import Path

import backlot


def main() -> None:
    records = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with backlot.serve(records, telemetry=False) as server:
        print(json.dumps({"base_url": f"{server.base_url}/hubspot", "token": server.token}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
