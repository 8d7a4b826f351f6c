"""The outside world of insurance: one module for each neighbour; nobody else but `x12` knows its wording."""
