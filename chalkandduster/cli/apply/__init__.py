"""`apply`: makes a tenant like the manifests in a folder.

`files` finds and parses them, `manifest` says what a document is, `decode` turns YAML into the API's messages, `source` takes checks
out of a document with their lines, `compare` finds what differs, `remote` reads and writes the platform, `plan` puts it all in order.
"""
