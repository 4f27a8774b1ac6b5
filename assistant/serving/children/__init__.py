"""Scripts that run in another environment's Python (vLLM's, a quantiser's): they import nothing of ours."""
