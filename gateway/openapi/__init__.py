"""Writes the OpenAPI 3.1 description of the REST API from the compiled protos."""
