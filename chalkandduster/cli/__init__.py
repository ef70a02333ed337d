"""The command line: `chalkandduster --help`."""
