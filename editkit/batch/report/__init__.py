"""Reports of a batch: an HTML page, thumbnails, a contact sheet."""
