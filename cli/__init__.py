"""The command line of editkit: a thin layer over the Python API, installed as `editkit_cli`."""

from .early_interrupts import quiet_interrupts

quiet_interrupts()  # before all else is imported: that takes longer than a quick hand on Ctrl-C
