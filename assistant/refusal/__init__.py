"""Whether the documents hold the answer, and what is said when they do not."""
