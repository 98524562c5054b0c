"""An edited copy against its original: alignment, color changes, and what was edited."""
