"""The server kit: what every service shares, and nothing about any one of them."""
