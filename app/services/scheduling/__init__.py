"""Scheduling: local time, claims on resources, and which times are free."""
