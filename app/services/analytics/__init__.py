"""Figures for the dashboard, each with its definition."""
