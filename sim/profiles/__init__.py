"""Where demand profiles come from: a published table, or a user's file. Of the estate, only this folder reads files."""
