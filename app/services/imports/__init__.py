"""Files of the practice's own system: taken in, worked off row by row, safe to send again."""
