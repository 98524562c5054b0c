"""Scores of an edit, and what files themselves prove."""
