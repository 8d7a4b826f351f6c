"""The patient's messages: the threads, a guided way to write one, replies, and files."""
