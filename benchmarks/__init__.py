"""One command prints the table in the README: seconds, memory, API calls, and ratios measured side by side."""
