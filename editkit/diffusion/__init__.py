"""The shared guided-diffusion sampler: levels, plans, solvers, guides, constraints, draws.

Mathematics only. Nothing here knows a prompt, a mask file, an image format or another library's
pipelines; an edit is a way of calling `sample`.
"""
