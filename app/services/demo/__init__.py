"""A small clinic that does not exist, to try the service with."""
