"""Makes `python -m luigi_sinks` the command `luigi-sinks`."""

from luigi_sinks.cli import main

if __name__ == "__main__":
    main()
