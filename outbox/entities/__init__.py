"""One file a kind of record: what is read, when it is sent, what it waits for, what is sent, how it is found again,
what is verified. A person who knows Zoho and not this code checks each against the API sheet.
"""
