"""`python -m tracestore_cli` is the `tracestore` command."""

from tracestore_cli.main import main

main()
