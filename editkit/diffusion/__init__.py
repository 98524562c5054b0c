"""The shared guided-diffusion sampler: levels, plans, solvers, guides, constraints, draws.

Mathematics only: no prompts, no files, no pipelines of other libraries. Each edit is a way to call
`sample`.
"""
