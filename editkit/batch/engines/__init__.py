"""Where photos are edited: worker processes, or a Ray cluster."""
