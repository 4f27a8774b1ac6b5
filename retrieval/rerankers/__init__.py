"""Second stages: the same candidates, scored again."""
