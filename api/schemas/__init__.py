"""What requests look like."""
