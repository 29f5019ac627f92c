"""Dental AI patient engagement: win patients back, answer them, book them."""

SERVICE_NAME = "Dental AI Patient Engagement"
__version__ = "0.1.0"
