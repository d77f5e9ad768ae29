//! Arrow IPC files whose parts contradict each other.

use arrow_ipc::CompressionType;
use streamreg_reader::ErrorKind;

use super::mutants::ipc;
use super::numbers::{assert_is_clean, numbers};
use crate::util::Folder;

/// Where a piece stands.
fn places(bytes: &[u8], piece: &[u8]) -> Vec<usize> {
    (0..=bytes.len() - piece.len()).filter(|&at| bytes[at..].starts_with(piece)).collect()
}

/// What is said of a file after a change.
fn said(bytes: &[u8]) -> String {
    let folder = Folder::new();
    let path = folder.path("changed.arrow");
    std::fs::write(&path, bytes).unwrap();
    let error = numbers(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert_is_clean(&error, "changed.arrow", "ipc");
    error.to_string()
}

#[test]
fn columns_without_nulls_have_none() {
    let folder = Folder::new();
    for codec in [None, Some(CompressionType::ZSTD), Some(CompressionType::LZ4_FRAME)] {
        let mut bytes = ipc(&folder, codec);
        // The node of `k` in the first record batch: 25 rows, 4 nulls.
        let node = [25i64.to_le_bytes(), 4i64.to_le_bytes()].concat();
        let at = places(&bytes, &node)[0];
        bytes[at + 8..at + 16].fill(0);
        let text = said(&bytes);
        assert!(text.contains("column \"k\": it declares no null and has some"), "{text}");
        bytes[at + 8] = 26;
        let text = said(&bytes);
        assert!(text.contains("26 nulls in 25 rows"), "{text}");
    }
}

#[test]
fn both_schemas_are_the_same() {
    let mut bytes = ipc(&Folder::new(), None);
    // The name of the last column, behind its length.
    let name = [1, 0, 0, 0, b'g', 0];
    let at = *places(&bytes, &name).last().unwrap();
    bytes[at + 4] = b'h';
    let text = said(&bytes);
    assert!(text.contains("column \"h\": the footer says something else of it"), "{text}");
}

#[test]
fn record_batches_have_places_of_their_own() {
    let bytes = ipc(&Folder::new(), None);
    let length = i32::from_le_bytes(bytes[bytes.len() - 10..bytes.len() - 6].try_into().unwrap()) as usize;
    let start = bytes.len() - 10 - length;
    let footer = arrow_ipc::root_as_footer(&bytes[start..start + length]).unwrap();
    let blocks = footer.recordBatches().unwrap();
    let place = |index: usize| start + places(&bytes[start..], &blocks.get(index).offset().to_le_bytes())[0];
    let mut twice = bytes.clone();
    twice.copy_within(place(0)..place(0) + 24, place(1));
    let text = said(&twice);
    assert!(text.contains("two record batches stand in the same place"), "{text}");
}
