"""A gate's results, its page, and what CI reads of them."""
