"""A conversation -> what to search for."""
