//! streamreg
