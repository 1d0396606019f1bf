"""The jobs that the command and the library do, one file each."""
