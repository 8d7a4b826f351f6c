"""The patient's insurance: what is on file, what it covers, and asking to add, change or remove one."""
