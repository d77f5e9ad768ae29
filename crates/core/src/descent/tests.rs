//! Tests of the iterative methods.
