"""The words of the domain, in the database and on the wire, each with what people read."""

KINDS = [
    ("permits", "Permits from the listing"),
    ("expiry", "Expiry dates"),
    ("all", "Permits, then expiry dates"),
    ("check", "Check of expiring permits"),
]
EXPIRY_KINDS, LISTING_KINDS = ("expiry", "all"), ("permits", "all")
TRIGGERS = [("button", "Button"), ("cron", "Schedule"), ("cli", "Command line"), ("rpc", "Other program")]
# Where the dates of a listing run come from.
WAYS = [("two_step", "Permit by permit"), ("upgraded", "From the listing")]
CHECK_STATES = [
    ("found", "Date received"),
    ("no_date", "Without a date"),
    ("not_registered", "Not registered"),
    ("failed", "Failed"),
]
OUTCOMES = tuple(dict(CHECK_STATES))
# Why a permit failed, for people who have never seen a protocol.
REASONS = [
    ("timeout", "SICANTIK took too long to answer"),
    ("unavailable", "SICANTIK could not be reached or was out of order"),
    ("unreadable", "SICANTIK's answer could not be understood"),
    ("other_registration", "SICANTIK answered about another registration"),
    ("invalid_number", "SICANTIK cannot be asked about this permit number"),
    ("rejected_by_odoo", "Odoo refused to save the answer"),
]
# What SICANTIK is asked by; and what of its answers has to do with these alone.
IDENTITY = ("registration_id", "permit_number")
REST = {"expiry_next_check_at": False, "expiry_check_count": 0}
# A note for a clerk, not the page that the server sent.
DETAIL_LENGTH = 300
