"""Writing, checking and grading the submission CSV."""
