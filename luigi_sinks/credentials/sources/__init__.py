"""Where tokens come from, one module a source."""
