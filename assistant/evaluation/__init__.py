"""What `huozi eval` does: questions with gold answers through the whole product, and the figures."""
