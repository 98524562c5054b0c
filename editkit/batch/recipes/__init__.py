"""Recipes: YAML or TOML documents, tables and templates, checked as a whole."""
