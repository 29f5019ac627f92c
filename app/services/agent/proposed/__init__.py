"""The days and times a patient proposes, read out of the words of a reply."""
