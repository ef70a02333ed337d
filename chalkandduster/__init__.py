"""Chalk and Duster: the generated stubs, the client, the command line, and the suite on one machine."""
