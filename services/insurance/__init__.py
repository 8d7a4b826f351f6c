"""Insurance owns coverages and their verification. Its topics are in `shared/events/insurance.py`."""
