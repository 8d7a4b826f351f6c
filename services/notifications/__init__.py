"""Notifications owns contacts, consent and alerts. Its topics are in `shared/events/notifications.py`."""
