"""A synthetic landscape, drawn from a seed: noise, parcels, the textures of land cover, the scene.

Everything is a function of the pixel's position and the seed. So the scene can be drawn in blocks
of any size, in any order, and is the same.
"""
