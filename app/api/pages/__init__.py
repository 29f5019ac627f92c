"""The pages a patient opens from a letter: booking, and one visit. No script, no cookie."""
