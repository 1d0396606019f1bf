"""The wire engine: replays operations open-loop as native-protocol frames that NumPy encoded and Numba accounts for.

Bottom up:
- `protocol` numbers and control frames; `outcomes` what an answer means; `frames` EXECUTE frames as arrays;
  `murmur3`, `ring` tokens and replicas; `block` encoded operations in due order.
- `state` the kernels' arrays; `retries`, `completion`, `submit`, `responses`, `syscalls`, `event_loop` the kernels;
  `compiled` all of them, ready to run.
- `connection`, `connection_pool` sockets; `producer` blocks ahead of time; `recorder` seconds and the report; `scheduling`
  real-time priority; `engine_run` one run; `engine` the way in.
"""
