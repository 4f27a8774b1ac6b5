"""Files over HTTP: names made safe, bodies read piece by piece, bytes kept as originals."""
