"""Tools for tests of loads: contract tests of sinks, and real servers."""
