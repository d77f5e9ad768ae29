//! streamreg-core
