"""Benchmarks, one file a question; see README.md here."""
