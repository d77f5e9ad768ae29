//! Tests of the solver against exact rational arithmetic.
//!
//! | module | what it holds to account |
//! |---|---|
//! | `rational` | the oracle: least squares over the rationals, for the float64 cells as they are |
//! | `nist` | the certified values of the NIST StRD sets |
//! | `honesty` | no digit is claimed that is not there |
//! | `exact` | what exact cross-products must not lose |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod exact;
mod honesty;
mod nist;
mod rational;
