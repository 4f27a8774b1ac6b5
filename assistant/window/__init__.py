"""What is sent to the model, exactly within its window."""
