"""Checks and fixtures of the kit that each service's own tests call."""
