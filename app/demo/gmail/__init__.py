"""A Gmail of our own to try things on: real shapes, a ledger of what left, faults at will."""
