//! Parquet files whose parts contradict each other, with right sizes and checksums.

use streamreg_reader::{ErrorKind, Place};

use super::golden;
use super::numbers::{assert_is_clean, numbers};
use super::relaid::Relaid;
use super::thrift::Value;
use crate::util::Folder;

/// What reading the file says after a change: its kind, place and column, and the message.
fn after(
    name: &str,
    change: impl FnOnce(&mut Relaid),
) -> Option<(ErrorKind, Option<Place>, Option<String>, String)> {
    let folder = Folder::new();
    let mut file = Relaid::of(&std::fs::read(golden(name)).unwrap());
    change(&mut file);
    let path = folder.path("changed.parquet");
    std::fs::write(&path, file.write()).unwrap();
    numbers(&path).err().map(|e| {
        assert_is_clean(&e, "changed.parquet", name);
        (e.kind(), e.place(), e.column().map(str::to_owned), e.to_string())
    })
}

#[track_caller]
fn refused(name: &str, column: &str, message: &str, change: impl FnOnce(&mut Relaid)) {
    let (kind, place, found, text) = after(name, change).expect("it is read");
    assert_eq!(kind, ErrorKind::Malformed, "{text}");
    assert!(text.contains(message), "{message:?} not in {text}");
    assert_eq!(found.as_deref(), Some(column), "{text}");
    assert_eq!(place, Some(Place::RowGroup(0)), "{text}");
}

/// The numbers about a data page of version 1 or 2.
fn data(file: &mut Relaid, chunk: usize) -> &mut Value {
    let page = file.chunks[chunk].iter_mut().find(|page| page.header.number(1) != Some(2)).unwrap();
    let id = if page.header.field(5).is_some() { 5 } else { 8 };
    page.header.field_mut(id).unwrap()
}

fn content(file: &mut Relaid, chunk: usize) -> &mut Vec<u8> {
    let page = file.chunks[chunk].iter_mut().find(|page| page.header.number(1) != Some(2)).unwrap();
    &mut page.content
}

const Y: usize = 0;
const X: usize = 1;
const K: usize = 2;
const G: usize = 3;

#[test]
fn sound_files_are_read_when_nothing_but_their_layout_changes() {
    for name in super::SOUND {
        let folder = Folder::new();
        let sound = std::fs::read(golden(name)).unwrap();
        let path = folder.path("relaid.parquet");
        std::fs::write(&path, Relaid::of(&sound).write()).unwrap();
        assert_eq!(numbers(&path).unwrap(), numbers(&golden(name)).unwrap(), "{name}");
    }
}

#[test]
fn types_in_schema_and_column_chunk_must_agree() {
    refused("pyarrow_v1.parquet", "y", "the schema declares FLOAT, its column chunk DOUBLE", |file| {
        file.footer.field_mut(2).unwrap().elements_mut()[1].set(1, 4);
    });
}

#[test]
fn levels_of_version_2_are_those_of_the_column() {
    refused("pyarrow_v2.parquet", "x", "it has levels that its column does not have", |file| {
        data(file, X).set(6, 2);
    });
    refused("pyarrow_v2.parquet", "x", "its header declares other nulls than it has", |file| {
        data(file, X).set(2, 1);
    });
    refused("pyarrow_v2.parquet", "x", "its header declares other rows than it has", |file| {
        data(file, X).set(3, 1);
    });
    refused("pyarrow_v2.parquet", "x", "its levels are longer than the page", |file| {
        data(file, X).set(5, 1 << 20);
    });
}

#[test]
fn values_fill_the_page() {
    for (name, chunk, column) in
        [("pyarrow_v1.parquet", Y, "y"), ("pyarrow_v2.parquet", X, "x"), ("pyarrow_v2.parquet", K, "k")]
    {
        let message =
            if chunk == K { "there are bytes behind the last value" } else { "does not have the size" };
        refused(name, column, message, |file| content(file, chunk).extend([1; 24]));
        let message = if chunk == K { "too short for its values" } else { "does not have the size" };
        refused(name, column, message, |file| {
            let left = content(file, chunk).len() / 2;
            content(file, chunk).truncate(left);
        });
    }
    refused("pyarrow_delta.parquet", "g", "the texts are not as long as their lengths say", |file| {
        content(file, 1).push(b'x');
    });
    refused("pyarrow_v1.parquet", "g", "there are bytes behind the last run", |file| {
        content(file, G).extend([1; 3]);
    });
}

#[test]
fn runs_end_with_the_page() {
    // In the first page of `x`: the length of the levels, then a packed run.
    refused("pyarrow_v1.parquet", "y", "a run is longer than the page has values", |file| {
        content(file, Y)[4] = 100;
    });
    refused("pyarrow_v1.parquet", "y", "a level is above the maximum of its column", |file| {
        content(file, Y)[5] = 2;
    });
    refused("pyarrow_v1.parquet", "y", "the page is too short for its values", |file| {
        content(file, Y)[3] = 0x7f;
    });
}

#[test]
fn counts_of_values_agree() {
    refused("pyarrow_v2.parquet", "k", "the number of differences is not the number of values", |file| {
        // Behind the levels, the sizes of blocks take three bytes.
        let levels = data(file, K).number(5).unwrap() as usize;
        content(file, K)[levels + 3] ^= 1;
    });
    refused("pyarrow_v1.parquet", "y", "the footer declares 60 values, the pages have 28", |file| {
        file.chunks[Y].remove(0);
    });
    refused("pyarrow_v1.parquet", "y", "the footer declares 60 values, the pages have more", |file| {
        let page = file.chunks[Y][1].clone();
        file.chunks[Y].push(page);
    });
}

#[test]
fn dictionaries_have_their_values() {
    for values in [3, 5, i64::from(i32::MAX)] {
        let (_, _, column, text) = after("pyarrow_v1.parquet", |file| {
            file.chunks[G][0].header.field_mut(7).unwrap().set(1, values);
        })
        .expect("it is read");
        assert_eq!(column.as_deref(), Some("g"), "{text}");
    }
    refused("pyarrow_v1.parquet", "g", "is not the first page of its column chunk", |file| {
        let dictionary = file.chunks[G][0].clone();
        file.chunks[G].insert(1, dictionary);
    });
}

#[test]
fn counts_in_the_footer_are_followed_by_as_many_things() {
    let said = |change: &dyn Fn(&mut Value)| {
        after("pyarrow_v1.parquet", |file| change(&mut file.footer)).map(|(_, _, _, text)| text)
    };
    let children =
        |count| said(&move |footer: &mut Value| footer.field_mut(2).unwrap().elements_mut()[0].set(5, count));
    for count in [0, 7, 9, 10_000_000, i64::from(i32::MAX)] {
        assert!(children(count).is_some(), "{count} children");
    }
    assert!(children(i64::from(i32::MAX)).unwrap().contains("declares more columns than it has"));
    let rows = said(&|footer: &mut Value| footer.set(3, 61)).unwrap();
    assert!(rows.contains("the footer declares 61 rows"), "{rows}");
}
