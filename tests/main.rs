//! The whole program and library, from files to numbers, in one binary: `cargo test --test integration`.
//!
//! | file | theme |
//! |---|---|
//! | `util` | the harness: folders, commands whose failures print everything, Parquet files, comparison |
//! | `flights` | a real table with nulls, a constant and an exact collinearity, against statsmodels |
//! | `nist` | the NIST StRD sets, digits against the certified values |
//! | `reference` | published regressions of R, fixest and scikit-learn's data, and minimum norm |
//! | `robust` | robust covariances and joint tests: published cases in 50 digits, formulas, what must not matter |
//! | `formulas`, `categories` | the language of terms against formulaic and statsmodels; levels, codings, prediction |
//! | `terms` | nested terms, codings, conditions, offsets, splines, against R |
//! | `rows` | weights, groups, missing values |
//! | `filters` | filters, computed columns, and the other formats of files |
//! | `penalized` | ridge, lasso, elastic net against 50 digits; cross-validation against fits of the rows |
//! | `iterative` | iterative solvers: against solvers of others and the exact pass, sparse and hashed designs, curves |
//! | `numbers` | where digits are lost on the way: the smallest cases |
//! | `differential` | random regressions against their solution over the rationals |
//! | `algebra` | what must hold for any data |
//! | `exact` | exact sums: the same bits for any order, layout, format and split |
//! | `bits` | the same bits for any threads, batches and cuts |
//! | `types` | every column type, encoding, codec and page version |
//! | `first_contact` | formulas among the files, misspelt names, options without effect, narrow screens, batches in memory |
//! | `fit`, `predict`, `inspect` | the commands: formats, flags, outputs |
//! | `folders` | predictions for many files, one by one: names, skips, kills |
//! | `many_models` | models of many groups and several targets in one file |
//! | `datasets` | folders, patterns, Hive keys, files that agree and that do not |
//! | `extremes` | the ends of float64's range, means that dwarf the spread |
//! | `failures` | exit codes, messages, nothing half-written, pipes and interrupts |
//! | `outputs` | permissions, links, streams, and characters that nobody would see |
//! | `stops` | signals at any moment |
//! | `states` | sums that are saved, merged, subtracted, updated, solved; passes that are killed |
//! | `scores` | the second pass of robust standard errors, in parts |
//! | `folds` | states with the sums of folds: cross-validation that reads nothing |
//! | `hostile` | damaged and odd files |
//! | `mutants` | model files changed at random |
//! | `commands` | what the program prints, to the letter: transcripts of 877 command lines |
//! | `guide` | README and guide: transcripts, commands, links, the reference |
//! | `memory` | memory that does not grow with the rows |
//! | `structure` | the shape of the house: circles of files, long functions, crowded roots |
//!
//! Transcripts have the words of Unix for what the system refuses, so `commands` and `guide` are not for Windows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod after_fit;
mod algebra;
mod bits;
mod categories;
mod checkpoints;
#[cfg(unix)]
mod commands;
mod datasets;
mod differential;

mod exact;
mod extremes;
mod failures;
mod filters;
mod first_contact;
mod fit;
mod flights;
mod folders;
mod folds;
mod formulas;
#[cfg(unix)]
mod guide;
mod hostile;
mod inspect;
mod iterative;
mod jobs;
mod losses;
#[cfg(target_os = "linux")]
mod many_models;
mod memory;
mod mutants;
mod nist;
mod numbers;
mod observe;
#[cfg(unix)]
mod outputs;
mod penalized;
mod predict;
mod real_life;
mod reference;
mod robust;
mod rows;
mod scores;
mod states;
#[cfg(unix)]
mod stops;
mod structure;
mod terms;
mod types;
mod util;
