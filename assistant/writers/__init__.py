"""The ways to answer: each an async stream of events."""
