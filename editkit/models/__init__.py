"""Models: finding, loading, asking them. The only room that imports diffusers or transformers."""
