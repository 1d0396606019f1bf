"""The wire engine: replays operations open-loop as native-protocol frames that NumPy encoded and Numba accounts for.

Bottom up:
- `protocol` numbers and control frames; `outcomes` what an answer means; `frames` EXECUTE frames as arrays;
  `murmur3`, `ring` tokens and replicas; `block` encoded operations in due order.
- `state` the kernels' arrays; `kernels` how kernels are compiled; `settle`, `submit`, `scan`, `syscalls`, `beat` the
  kernels; `compiled` all of them, ready to run.
- `connection`, `links` sockets; `producer` blocks ahead of time; `recorder` seconds and the report; `realtime`
  scheduling; `storm` one run; `engine` the way in.
"""
