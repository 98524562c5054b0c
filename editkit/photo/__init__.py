"""Photos as stored samples: reading, writing, crops with their inverses, blending."""
