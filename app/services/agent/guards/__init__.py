"""Rules that read a message before any engine does; no engine can talk its way past them."""
