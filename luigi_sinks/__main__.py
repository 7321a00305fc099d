"""Runs the command `luigi-sinks` for `python -m luigi_sinks`."""

from luigi_sinks.cli import main

if __name__ == "__main__":
    main()
