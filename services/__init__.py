"""The services: each a folder of the same shape, which imports none of the others."""
