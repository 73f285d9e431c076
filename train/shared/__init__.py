"""What every trained module shares."""
