"""What is asked: pictures, and pieces whose place is known."""
