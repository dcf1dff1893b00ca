"""Curfew sends cloud notebooks home on time."""
