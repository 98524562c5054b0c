"""Models: find, load and run them. The only room with diffusers; transformers also in `masks`."""
