"""Inbox owns the messages of patients and the work of staff. Its topics are in `shared/events/inbox.py`."""
