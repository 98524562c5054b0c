"""The command line of editkit: a thin layer over the Python API, installed as `editkit_cli`."""
