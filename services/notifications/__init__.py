"""Notifications: how persons are told that a statement is there, and who has statements without paper.

It owns contacts and the codes that prove them, the consent to paperless statements, and alerts by email and text.
It hears gateways (contacts, enrolments), payments (statements that can be read), the billing host (who may see an
account), the registration host (time zones, languages), and the providers of mails and texts (receipts, words such
as STOP, links to unsubscribe). It says what became of every command and alert, when paperless statements begin and
end, and which statement has to go out on paper after all.
"""
