//! Every bit of what a Parquet file says of itself, flipped.

use super::numbers::{assert_is_clean, numbers};
use super::relaid::{footer_range, header_ranges};
use super::{SOUND, golden};
use crate::util::Folder;

/// Flips the bits at these places of a file, one at a time: it is refused, or has the same values.
fn flip_all(name: &str, places: impl IntoIterator<Item = usize>) {
    let folder = Folder::new();
    let sound = std::fs::read(golden(name)).unwrap();
    let path = folder.path("flipped.parquet");
    std::fs::write(&path, &sound).unwrap();
    let expected = numbers(&path).unwrap();
    let mut other = Vec::new();
    for place in places {
        for bit in 0..8 {
            let mut bytes = sound.clone();
            bytes[place] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            match numbers(&path) {
                // Names are read as they are written, and so are the types of numbers: values are what counts.
                Ok(read) => {
                    let of = |(rows, columns): &(u64, Vec<super::numbers::Column>)| {
                        (*rows, columns.iter().map(|c| (c.valid, c.fingerprint)).collect::<Vec<_>>())
                    };
                    if of(&read) != of(&expected) {
                        let names = |c: &super::numbers::Column| format!("{}: {} {}", c.name, c.valid, c.sum);
                        let changed: Vec<_> =
                            read.1.iter().zip(&expected.1).filter(|(a, b)| a != b).collect();
                        let changed = changed.iter().map(|(a, b)| format!("{} not {}", names(a), names(b)));
                        other.push(format!(
                            "byte {place}, bit {bit}: {}",
                            changed.collect::<Vec<_>>().join("; ")
                        ));
                    }
                }
                Err(error) => assert_is_clean(&error, "flipped.parquet", &format!("byte {place}, bit {bit}")),
            }
        }
    }
    assert!(other.is_empty(), "{name}: other numbers:\n{}", other.join("\n"));
}

/// A file of each writer; all where there is time.
fn files() -> Vec<&'static str> {
    let all = std::env::var_os("STREAMREG_MUTANTS").is_some();
    SOUND.into_iter().filter(|name| all || ["pyarrow_v2.parquet", "duckdb.parquet"].contains(name)).collect()
}

#[test]
fn a_bit_of_a_footer_is_seen_or_changes_nothing() {
    for name in files() {
        let bytes = std::fs::read(golden(name)).unwrap();
        flip_all(name, footer_range(&bytes).start..bytes.len());
    }
}

#[test]
fn a_bit_of_a_page_header_is_seen_or_changes_nothing() {
    for name in files() {
        let bytes = std::fs::read(golden(name)).unwrap();
        flip_all(name, header_ranges(&bytes).into_iter().flatten());
    }
}
