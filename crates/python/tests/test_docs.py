"""Examples in the documentation strings."""

import doctest

import pytest
import streamreg
import streamreg._fit
import streamreg._functions
import streamreg._state


@pytest.mark.parametrize("module", [streamreg, streamreg._fit, streamreg._functions, streamreg._state])
def test_examples(module):
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
