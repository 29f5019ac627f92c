"""The demonstration: the service as a process, and the loop walked over HTTP."""
