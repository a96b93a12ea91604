"""A stand-in for MicroPython's runtime, as far as viper functions on a 32-bit board call it.

Machine code reaches the runtime through mp_fun_table (py/nativeglue.c), with words in registers. A word that
is a MicroPython object is, in representation A (py/obj.h), a small integer n of 31 bits as 2n + 1, or else an
address. Viper code hands objects on and never looks into them, so behind their addresses there is no memory:
an access there is a fault.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable

import numpy as np

from tests.parity.mpyfile import FUN_TABLE, MpyFile, RawCode

__all__ = ["HELPERS", "SINGLETONS", "WORD", "Buffer", "Runtime"]

# The entries of mp_fun_table in order (py/nativeglue.c); the first three are objects.
HELPER_WORDS = """
mp_const_none mp_const_false mp_const_true mp_native_from_obj mp_native_to_obj mp_native_swap_globals
mp_load_name mp_load_global mp_load_build_class mp_load_attr mp_load_method mp_load_super_method mp_store_name
mp_store_global mp_store_attr mp_obj_subscr mp_obj_is_true mp_unary_op mp_binary_op mp_obj_new_tuple
mp_obj_new_list mp_obj_new_dict mp_obj_new_set mp_obj_set_store mp_obj_list_append mp_obj_dict_store
mp_make_function_from_proto_fun mp_native_call_function_n_kw mp_call_method_n_kw mp_call_method_n_kw_var
mp_native_getiter mp_native_iternext nlr_push nlr_pop mp_native_raise mp_import_name mp_import_from
mp_import_all mp_obj_new_slice mp_unpack_sequence mp_unpack_ex mp_delete_name mp_delete_global
mp_obj_new_closure mp_arg_check_num_sig mp_setup_code_state_native mp_small_int_floor_divide
mp_small_int_modulo mp_native_yield_from setjmp
"""
HELPERS = HELPER_WORDS.split()

SINGLETONS = {0x7000_0000: None, 0x7000_0010: False, 0x7000_0020: True}
LONG_INTEGERS = 0x7100_0000
BUFFER_OBJECTS = 0x7200_0000
WORD = 0xFFFF_FFFF

# py/runtime0.h: how a viper value is to be understood; whatever is above is a pointer.
TYPE_OBJECT, TYPE_BOOL, TYPE_INT, TYPE_UINT = range(4)


def _signed(word: int) -> int:
    return (word & WORD ^ 0x8000_0000) - 0x8000_0000


def _quotient(numerator: int, denominator: int) -> int:
    """C's division, which rounds towards zero."""
    if denominator == 0:
        raise ZeroDivisionError("viper divides by zero, which has no defined result on a board")
    size = abs(numerator) // abs(denominator)
    return size if (numerator < 0) == (denominator < 0) else -size


class Buffer:
    """An array in the emulated memory, which ends where a page ends: reading on past it is a fault.

    It starts at a multiple of its item's size and of nothing more, as part of a memoryview may on a board.
    """

    def __init__(self, read: Callable[[int, int], bytes], array: np.ndarray, address: int) -> None:
        self._read = read
        self.dtype = array.dtype
        self.shape = array.shape
        self.nbytes = array.nbytes
        self.address = address
        self.handle = 0  # the MicroPython object that stands for it, given by Runtime.add_buffer

    def __str__(self) -> str:
        return f"a buffer of {self.dtype} {list(self.shape)}"

    def array(self) -> np.ndarray:
        """A copy of what the buffer holds now, in the dtype and shape of the array it was made from."""
        data = self._read(self.address, self.nbytes)
        return np.frombuffer(data, dtype=self.dtype).reshape(self.shape).copy()


class Runtime:
    """Objects and helpers for one module's code.

    table_address: where mp_fun_table lies in the emulated memory. `functions`: the address of each viper
    function's object, to be filled in by whoever lays out the memory.
    """

    def __init__(self, file: MpyFile, bound: dict[str, RawCode | int], table_address: int) -> None:
        self._file = file
        self._bound = bound
        self._table_address = table_address
        self._long_integers: dict[int, int] = {}
        self._buffer_count = 0
        self.buffers: weakref.WeakValueDictionary[int, Buffer] = weakref.WeakValueDictionary()
        self.functions: dict[str, int] = {}
        self.constants = [self._constant(value) for value in file.constants]
        self._constant_integers = dict(self._long_integers)
        self.helpers: dict[str, Callable[[int, int, int], int]] = {
            "mp_native_from_obj": self._native_from_obj,
            "mp_native_to_obj": self._native_to_obj,
            "mp_native_swap_globals": self._swap_globals,
            "mp_load_global": self._load_global,
            "mp_arg_check_num_sig": self._wrong_argument_count,
            "mp_small_int_floor_divide": self._floor_divide,
            "mp_small_int_modulo": self._modulo,
        }

    # Objects

    def start_call(self) -> None:
        """Forgets the long integers of the call before."""
        self._long_integers = dict(self._constant_integers)

    def add_buffer(self, buffer: Buffer) -> None:
        """Makes an object for a buffer, which lasts as long as something else holds the buffer."""
        buffer.handle = BUFFER_OBJECTS + 16 * self._buffer_count
        self._buffer_count += 1
        self.buffers[buffer.handle] = buffer

    def argument(self, value: int | Buffer) -> int:
        """The object to call a function with."""
        if isinstance(value, Buffer):
            assert self.buffers.get(value.handle) is value, "the buffer belongs to another ThumbModule"
            return value.handle
        value = operator.index(value)
        if not -(2**31) <= value < 2**32:
            raise OverflowError(f"{value} does not fit a viper int of 32 bits")
        return self._integer(value)

    def value(self, handle: int) -> int | Buffer | None:
        """What an object stands for; TypeError if it is neither integer, None nor buffer."""
        if handle & 1:
            return _signed(handle) >> 1
        for known in (SINGLETONS, self._long_integers, self.buffers):
            if handle in known:
                return known[handle]
        raise TypeError(f"{self.function_name(handle) or hex(handle)} is no integer and no buffer")

    def function_name(self, handle: int) -> str | None:
        return next((name for name, address in self.functions.items() if address == handle), None)

    def _integer(self, value: int) -> int:
        if -(2**30) <= value < 2**30:
            return (value << 1 | 1) & WORD
        handle = LONG_INTEGERS + 16 * len(self._long_integers)
        self._long_integers[handle] = value
        return handle

    def _constant(self, value: object) -> int:
        """The object of a constant in the code; of what no kernel can use, a null pointer."""
        if value is FUN_TABLE:
            return self._table_address
        if isinstance(value, int) and not isinstance(value, bool):
            return self._integer(value)
        return next((handle for handle, singleton in SINGLETONS.items() if value is singleton), 0)

    # Helpers: arguments are words as the registers hold them, and so is the result, which may be signed

    def _native_from_obj(self, handle: int, native_type: int, _: int) -> int:
        if native_type == TYPE_OBJECT:
            return handle
        value = self.value(handle)
        if native_type == TYPE_BOOL:
            return int(value.nbytes > 0 if isinstance(value, Buffer) else bool(value))
        if isinstance(value, Buffer):
            if native_type in (TYPE_INT, TYPE_UINT):
                raise TypeError(f"{value} where viper wants an int")
            return value.address
        if value is None:
            raise TypeError("None where viper wants an int or a pointer")
        return value

    def _native_to_obj(self, word: int, native_type: int, _: int) -> int:
        if native_type == TYPE_OBJECT:
            return word
        if native_type == TYPE_BOOL:
            return self._constant(bool(word))
        return self._integer(_signed(word) if native_type == TYPE_INT else word)

    def _swap_globals(self, *_: int) -> int:
        """NULL: the caller has the module's globals already, so no exception handler needs to restore them."""
        return 0

    def _load_global(self, name_index: int, *_: int) -> int:
        name = self._file.names[name_index]
        if name in self.functions:
            return self.functions[name]
        value = self._bound.get(name)
        if not isinstance(value, int):
            raise AssertionError(f"viper code loads the global {name}, no integer or viper function of the module")
        return self._integer(value)

    def _wrong_argument_count(self, given: int, keywords: int, signature: int) -> int:
        raise TypeError(
            f"the function takes {signature >> 17} positional arguments but {given} were given"
            + (f" and {keywords} by keyword" if keywords else "")
        )

    def _floor_divide(self, numerator: int, denominator: int, _: int) -> int:
        """mp_small_int_floor_divide, its sums wrapping at 32 bits (py/smallint.c)."""
        numerator, denominator = _signed(numerator), _signed(denominator)
        if numerator >= 0 and denominator < 0:
            numerator = _signed(numerator - denominator - 1)
        elif numerator < 0 and denominator >= 0:
            numerator = _signed(numerator - denominator + 1)
        return _quotient(numerator, denominator)

    def _modulo(self, dividend: int, divisor: int, _: int) -> int:
        """mp_small_int_modulo: the remainder has the sign of the divisor (py/smallint.c)."""
        dividend, divisor = _signed(dividend), _signed(divisor)
        remainder = dividend - divisor * _quotient(dividend, divisor)
        return remainder + divisor if remainder and (remainder < 0) != (divisor < 0) else remainder
