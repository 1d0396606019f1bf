"""Where demand profiles come from: a published table, or a user's file. The edge of the estate: only this folder reads files."""
