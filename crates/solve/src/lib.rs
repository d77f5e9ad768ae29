//! streamreg-solve
