"""Inbox: every message of a patient, and all work that services raise, in front of the right people, once.

It owns threads with their messages and attachments, the items of the pools' in baskets, and the rules by which
messages are routed. It hears gateways (messages), the registration host (who acts for a patient), the scheduling
host (which providers a patient may write to, and so which provider pools there are) and the services that raise
work and settle it. It says where each message went and why, and what staff did with it.
"""
