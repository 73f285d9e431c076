"""What was answered: asking, keeping and judging."""
