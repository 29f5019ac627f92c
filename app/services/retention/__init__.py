"""How long what patients said is kept, and how it goes."""
