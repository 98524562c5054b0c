"""Many photos: recipes, a manifest that remembers, and engines that run them.

Nothing here imports torch until a photo is edited.
"""
