"""Where to edit: masks read, checked and measured."""
