"""The customer's side: what they choose, what they see on their display, and the bills that they are sent."""
