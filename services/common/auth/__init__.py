"""Who calls, and what they may do: roles, tokens and API keys."""
