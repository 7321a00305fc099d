"""What tests of loads need: real servers, and sinks that need no server."""
