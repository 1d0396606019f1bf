"""Eight 64-bit words at once: the arithmetic of kernels' intrinsics, written as for one word.

LLVM makes the CPU's widest vectors of it, or cuts it into what the CPU has; the integers are the same on each. A loop over an
array it would cut into narrower vectors than a CPU with AVX-512 has, and it may load what was stored a moment before.
"""

from collections.abc import Sequence
from typing import Any, Self

from llvmlite import ir

LANES = 8
WORD = ir.IntType(64)
_PLACE = ir.IntType(32)
_HALF = ir.IntType(16)
_LOW = 0xFFFFFFFF


class Lanes:
    """Uint64s side by side in a kernel that is being compiled: eight, or as many as are asked for.

    An integer beside them stands for that integer in each lane.
    """

    def __init__(self, build: ir.IRBuilder, vector: Any) -> None:
        self._build = build
        self.vector = vector

    @classmethod
    def of(cls, build: ir.IRBuilder, words: Sequence[int]) -> Self:
        """Eight constants."""
        return cls(build, ir.Constant(ir.VectorType(WORD, len(words)), list(words)))

    @classmethod
    def filled(cls, build: ir.IRBuilder, word: Any, count: int = LANES) -> Self:
        """The same 64-bit word in each of `count` lanes."""
        first = build.insert_element(ir.Constant(ir.VectorType(WORD, count), ir.Undefined), word, _PLACE(0))
        return cls(build, build.shuffle_vector(first, first, ir.Constant(ir.VectorType(_PLACE, count), [0] * count)))

    @classmethod
    def joined(cls, build: ir.IRBuilder, words: Sequence[Any]) -> Self:
        """Eight 64-bit words, one a lane."""
        vector = ir.Constant(ir.VectorType(WORD, len(words)), ir.Undefined)
        for lane, word in enumerate(words):
            vector = build.insert_element(vector, word, _PLACE(lane))
        return cls(build, vector)

    @classmethod
    def of_halves(cls, build: ir.IRBuilder, place: Any, count: int = LANES) -> Self:
        """So many uint16 that lie one after the other in memory, from the pointer `place` on."""
        halves = build.load(build.bitcast(place, ir.PointerType(ir.VectorType(_HALF, count))))
        halves.align = 2
        return cls(build, build.zext(halves, ir.VectorType(WORD, count)))

    @classmethod
    def of_words(cls, build: ir.IRBuilder, place: Any, count: int = LANES) -> Self:
        """So many 64-bit words that lie one after the other in memory, from the pointer `place` on."""
        words = build.load(build.bitcast(place, ir.PointerType(ir.VectorType(WORD, count))))
        words.align = 8
        return cls(build, words)

    @property
    def count(self) -> int:
        """How many lanes there are."""
        return int(self.vector.type.count)

    def __add__(self, other: Self | int) -> Self:
        return self._of(self._build.add(self.vector, self._vector_of(other)))

    def __sub__(self, other: Self | int) -> Self:
        return self._of(self._build.sub(self.vector, self._vector_of(other)))

    def __mul__(self, other: Self | int) -> Self:
        return self._of(self._build.mul(self.vector, self._vector_of(other)))

    def __xor__(self, other: Self | int) -> Self:
        return self._of(self._build.xor(self.vector, self._vector_of(other)))

    def __and__(self, other: Self | int) -> Self:
        return self._of(self._build.and_(self.vector, self._vector_of(other)))

    def __or__(self, other: Self | int) -> Self:
        return self._of(self._build.or_(self.vector, self._vector_of(other)))

    def __rshift__(self, bits: int) -> Self:
        return self._of(self._build.lshr(self.vector, self._vector_of(bits)))

    def __lshift__(self, bits: int) -> Self:
        return self._of(self._build.shl(self.vector, self._vector_of(bits)))

    def signed_shift(self, bits: int) -> Self:
        """Each lane as an int64, shifted to the right."""
        return self._of(self._build.ashr(self.vector, self._vector_of(bits)))

    def low(self) -> Self:
        """The lower 32 bits of each lane. The product of two such needs one instruction a vector, of others several."""
        return self & _LOW

    def after(self, before: Self) -> Self:
        """One lane later: the last one of `before`, then all but the last."""
        places = ir.Constant(ir.VectorType(_PLACE, self.count), list(range(self.count - 1, 2 * self.count - 1)))
        return self._of(self._build.shuffle_vector(before.vector, self.vector, places))

    def with_lane(self, lane: int, word: Any) -> Self:
        """Another word in one lane."""
        return self._of(self._build.insert_element(self.vector, word, _PLACE(lane)))

    def first(self, count: int) -> Self:
        """The first lanes; 0 in those after them."""
        return self & self.of(self._build, [-1] * count + [0] * (self.count - count))

    def total(self) -> Any:
        """The sum of the lanes, modulo 2^64."""
        sum_of = self._build.module.declare_intrinsic(
            f"llvm.vector.reduce.add.v{self.count}i64", (), ir.FunctionType(WORD, [self.vector.type])
        )
        return self._build.call(sum_of, [self.vector])

    def joined_low(self, other: Self) -> Self:
        """A lane's lower 32 bits, and above them those of the same lane of `other`."""
        of_32 = ir.VectorType(_PLACE, 2 * self.count)
        places = [at for lane in range(self.count) for at in (2 * lane, 2 * self.count + 2 * lane)]
        mine, others = (self._build.bitcast(each.vector, of_32) for each in (self, other))
        both = self._build.shuffle_vector(mine, others, ir.Constant(of_32, places))
        return self._of(self._build.bitcast(both, self.vector.type))

    def store(self, place: Any) -> None:
        """From the pointer `place` on."""
        store = self._build.store(self.vector, self._build.bitcast(place, ir.PointerType(self.vector.type)))
        store.align = 8

    def store_in_turns(self, other: Self, place: Any) -> None:
        """From the pointer `place` on, lane by lane: that of this, then that of `other`."""
        places = [at for lane in range(self.count) for at in (lane, self.count + lane)]
        places_of = ir.Constant(ir.VectorType(_PLACE, 2 * self.count), places)
        both = self._build.shuffle_vector(self.vector, other.vector, places_of)
        store = self._build.store(both, self._build.bitcast(place, ir.PointerType(both.type)))
        store.align = 4

    def _of(self, vector: Any) -> Self:
        return type(self)(self._build, vector)

    def _vector_of(self, other: Self | int) -> Any:
        return other.vector if isinstance(other, Lanes) else ir.Constant(self.vector.type, [int(other)] * self.count)
