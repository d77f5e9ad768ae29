//! Damaged text: NDJSON and libsvm; and files that change while they are read.

use std::time::{Duration, SystemTime};

use streamreg_reader::{Dataset, DatasetOptions, ErrorKind, Place, ScanRequest, Source};

use super::golden;
use super::numbers::{numbers, read};
use crate::util::Folder;

/// What is said of a file of this text.
fn said(name: &str, text: &[u8]) -> Option<(ErrorKind, Option<Place>, String)> {
    let folder = Folder::new();
    let path = folder.path(name);
    std::fs::write(&path, text).unwrap();
    numbers(&path).err().map(|e| (e.kind(), e.place(), e.to_string()))
}

#[test]
fn json_nests_as_deep_as_anybody_needs() {
    let error = numbers(&golden("deep.ndjson")).unwrap_err();
    assert_eq!((error.kind(), error.place()), (ErrorKind::Limit, Some(Place::Line(1))), "{error}");
    assert!(error.to_string().contains("deeper than 100 levels"), "{error}");
    let nested = |depth: usize| format!("{{\"y\":1,\"z\":{}{}}}\n", "[".repeat(depth), "]".repeat(depth));
    // The object is a level, too. What no one reads may be nested, and brackets in text are no nesting.
    let open = |text: String| {
        let folder = Folder::new();
        let source = Dataset::open(&[folder.text("d.ndjson", &text)], &DatasetOptions::default())?;
        let scan = source.scan(&ScanRequest::new(["y"]))?;
        std::iter::from_fn(|| scan.next_partition())
            .try_for_each(|p| p?.batches.try_for_each(|b| b.map(drop)))
    };
    assert!(open(nested(99)).is_ok());
    assert_eq!(open(nested(100)).unwrap_err().kind(), ErrorKind::Limit);
    assert!(open(format!("{{\"y\":1,\"t\":\"{}\\\"{}\"}}\n", "[".repeat(500), "{".repeat(500))).is_ok());
    // Behind the sample, where the column is not read, too.
    let far = "{\"y\":1,\"z\":[]}\n".repeat(10_001) + &nested(200);
    assert_eq!(open(far).unwrap_err().place(), Some(Place::Line(10_002)));
}

#[test]
fn json_has_no_nul_and_no_key_twice() {
    let (kind, place, text) = said("d.ndjson", b"{\"y\":1}\n{\"y\":2}\n\0\0\0\0\n").unwrap();
    assert_eq!((kind, place), (ErrorKind::Malformed, Some(Place::Line(3))), "{text}");
    assert!(text.contains("NUL"), "{text}");
    let (kind, place, text) = said("d.ndjson", b"{\"y\":1,\"x\":2}\n{\"y\":1,\"x\":2,\"y\":3}\n").unwrap();
    assert_eq!((kind, place), (ErrorKind::Malformed, Some(Place::Line(2))), "{text}");
    assert!(text.contains("\"y\" occurs twice"), "{text}");
}

#[test]
fn a_file_that_was_replaced_is_seen_though_size_and_time_are_the_same() {
    let folder = Folder::new();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let write = |name: &str, text: &str| {
        let path = folder.text(name, text);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    };
    for (name, before, after) in [
        ("d.csv", "y,x\n1,2\n3,4\n", "y,x\n1,2\n3,5\n"),
        ("d.ndjson", "{\"y\":1}\n{\"y\":2}\n", "{\"y\":1}\n{\"y\":3}\n"),
        ("d.libsvm", "1 1:1\n2 1:2\n", "1 1:1\n2 1:3\n"),
    ] {
        let path = write(name, before);
        let source = Dataset::open(&[&path], &DatasetOptions::default()).unwrap();
        source.verify_unchanged().unwrap();
        // Written over, its time set back. Clocks of file systems tick a hundred times a second.
        std::thread::sleep(Duration::from_millis(50));
        write(name, after);
        if cfg!(unix) {
            assert_eq!(source.verify_unchanged().unwrap_err().kind(), ErrorKind::Changed, "{name}");
        }
        // Another file in its place.
        let source = Dataset::open(&[&path], &DatasetOptions::default()).unwrap();
        let other = write("other", before);
        std::fs::rename(other, &path).unwrap();
        if cfg!(unix) {
            let error = source.verify_unchanged().unwrap_err();
            assert!(error.to_string().contains("another file took the place"), "{error}");
            assert_eq!(read(&source).unwrap_err().kind(), ErrorKind::Changed, "{name}");
        }
    }
}
