"""The wire engine: replays operations open-loop as native-protocol frames that NumPy encoded and Numba accounts for.

Bottom up: `protocol` (numbers, control frames), `frames` (EXECUTE frames as arrays), `murmur3` and `ring` (tokens and
replicas), `block` (operations in due order), `state` (the kernels' arrays), `settle`, `submit`, `scan` (the kernels),
`connection` and `links` (sockets), `producer`, `recorder`, `realtime`, `storm` (the beat), `engine` (the way in).
"""
