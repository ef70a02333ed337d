"""What happens around every RPC; `order` says in which order, and why."""
