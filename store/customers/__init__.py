"""The customer's side: what they choose, what they see on their display, and what they are billed."""
