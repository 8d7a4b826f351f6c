"""The outside world of insurance: one module for each neighbour, and nobody else knows its wording."""
