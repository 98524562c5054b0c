"""Models: find, load and run them. The only room that imports diffusers or transformers."""
