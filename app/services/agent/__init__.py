"""What reads a patient's message and decides: engine, knowledge, guards."""
