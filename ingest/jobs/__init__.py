"""Uploaded files -> documents, in a queue that outlives its process: `enqueue.py` fills it, `runner.py` works on it."""
