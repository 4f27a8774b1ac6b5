"""One file per OpenAI resource, and our own."""
