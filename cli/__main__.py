"""`python -m editkit_cli`."""

from .main import main

main()
