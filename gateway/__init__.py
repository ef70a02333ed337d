"""The gateway: one Envoy in front of all services, configured from the protos."""
