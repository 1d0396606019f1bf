"""Tables and fields of the scenario file, a file a part: what each may say, and what it must not."""
