"""A fifth service, as small as one can be: visitors leave feedback about a visit.

`docs/a-new-service.md` walks through it.

It owns feedback by visit, hears that visits ended, and says what was left; it thanks the visitor through an
outside system.
"""
