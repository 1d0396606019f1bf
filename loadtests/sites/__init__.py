"""Sites: a network namespace a data centre and one for the field, joined by a WAN that is emulated in user space."""
