"""Photos in and out: files, arrays, Pillow images."""
