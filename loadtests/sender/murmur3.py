"""Cassandra's Murmur3 tokens of many partition keys at once.

Source: MurmurHash3_x64_128 (first half), in the variant of Cassandra's `MurmurHash.hash3_x64_128`: the bytes of the
tail are sign-extended, which is not what the original does. `Murmur3Partitioner` keeps -2**63 for "before all tokens".
"""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel
from sim.kernels import kernel

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_FMIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_FMIX_2 = np.uint64(0xC4CEB9FE1A85EC53)


@kernel
def tokens(keys: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The token of each key: uint8[n, k] serialized partition keys -> int64[n]."""
    result = np.empty(keys.shape[0], dtype=np.int64)
    for row in range(keys.shape[0]):
        result[row] = _token(keys[row])
    return result


@borrowing_kernel
def _token(key: NDArray[np.uint8]) -> int:
    """The token of one key: uint8[k] -> int64."""
    size = key.size
    h1 = np.uint64(0)
    h2 = np.uint64(0)
    block_end = size - size % 16
    for start in range(0, block_end, 16):
        h1 ^= _mix_1(_little_endian(key, start))
        h1 = _rotate(h1, 27) + h2
        h1 = h1 * np.uint64(5) + np.uint64(0x52DCE729)
        h2 ^= _mix_2(_little_endian(key, start + 8))
        h2 = _rotate(h2, 31) + h1
        h2 = h2 * np.uint64(5) + np.uint64(0x38495AB5)
    if size - block_end > 8:
        h2 ^= _mix_2(_signed_tail(key, block_end + 8, size))
    if size > block_end:
        h1 ^= _mix_1(_signed_tail(key, block_end, min(size, block_end + 8)))
    h1 ^= np.uint64(size)
    h2 ^= np.uint64(size)
    h1 += h2
    h2 += h1
    h1 = _finish(h1)
    h2 = _finish(h2)
    token = np.int64(h1 + h2)
    return 2**63 - 1 if token == np.int64(-(2**63)) else int(token)


@borrowing_kernel
def _rotate(value: np.uint64, count: int) -> np.uint64:
    return np.uint64((value << np.uint64(count)) | (value >> np.uint64(64 - count)))


@borrowing_kernel
def _mix_1(k: np.uint64) -> np.uint64:
    return np.uint64(_rotate(k * _C1, 31) * _C2)


@borrowing_kernel
def _mix_2(k: np.uint64) -> np.uint64:
    return np.uint64(_rotate(k * _C2, 33) * _C1)


@borrowing_kernel
def _finish(h: np.uint64) -> np.uint64:
    h ^= h >> np.uint64(33)
    h *= _FMIX_1
    h ^= h >> np.uint64(33)
    h *= _FMIX_2
    return np.uint64(h ^ (h >> np.uint64(33)))


@borrowing_kernel
def _little_endian(key: NDArray[np.uint8], start: int) -> np.uint64:
    """Eight bytes from `start` as a word."""
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(key[start + i]) << np.uint64(8 * i)
    return word


@borrowing_kernel
def _signed_tail(key: NDArray[np.uint8], start: int, end: int) -> np.uint64:
    """Up to eight bytes as a word, each sign-extended before it is shifted in, as Java's bytes are."""
    word = np.uint64(0)
    for i in range(end - start):
        word ^= np.uint64(np.int64(np.int8(key[start + i]))) << np.uint64(8 * i)
    return word
