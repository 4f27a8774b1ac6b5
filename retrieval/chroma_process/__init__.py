"""Chroma's embedded engine in a process of its own.

It holds Python's lock for a whole call, 0.7 s for 500 records: in this process nobody would get an answer meanwhile.
And what brings it down (a full memory, a damaged index) brings down that process alone.
"""
