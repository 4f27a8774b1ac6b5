"""What the model wrote -> checked text and citations."""
