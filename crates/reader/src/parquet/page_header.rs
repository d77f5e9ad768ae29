//! Page headers: what they say of their page, read before anything is allocated for it.
//!
//! The decoder trusts a header's uncompressed size, so a damaged or hostile one could make it allocate
//! gigabytes; and a row group without an offset index says nothing about where its pages begin. Both
//! needs are met by reading the headers ourselves. Field numbers are those of `PageHeader` in the
//! Parquet format's `parquet.thrift`.

use super::thrift::{BOOL_FALSE, BOOL_TRUE, Compact, I32, Result, STRUCT, ThriftError, i32_bytes, write_i32};

/// What a page header says about its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Size of the header itself, in bytes.
    pub(super) header_bytes: usize,
    /// Size of the page behind the header, in bytes.
    pub(super) compressed_bytes: i32,
    /// Size of the page after decompression, in bytes.
    pub(super) uncompressed_bytes: i32,
    /// The checksum of the page as it is stored.
    pub(super) checksum: Option<u32>,
    pub(super) page: PageKind,
}

/// The kinds of pages, each with what its header says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    Data(DataPage),
    Dictionary {
        values: i32,
        encoding: i32,
    },
    /// A kind that the format reserves and nobody writes.
    Index,
}

/// What is said of a data page of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataPage {
    /// Values, nulls included.
    pub(super) values: i32,
    /// The encoding of the values.
    pub(super) encoding: i32,
    pub(super) version: Version,
}

/// What differs between the versions of data pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Levels have encodings of their own, and are compressed with the values.
    V1 { definition_encoding: i32, repetition_encoding: i32 },
    /// Levels have their lengths in the header and are not compressed.
    V2 { nulls: i32, rows: i32, definition_bytes: i32, repetition_bytes: i32, is_compressed: bool },
}

const DATA_PAGE: i32 = 0;
const INDEX_PAGE: i32 = 1;
const DICTIONARY_PAGE: i32 = 2;
const DATA_PAGE_V2: i32 = 3;

impl PageHeader {
    /// Reads the header at the front of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut input = Compact::new(bytes);
        let (mut numbers, mut v1, mut dictionary, mut v2) = ([None; 5], None, None, None);
        let known =
            [(1, I32), (2, I32), (3, I32), (4, I32), (5, STRUCT), (6, STRUCT), (7, STRUCT), (8, STRUCT)];
        input.fields(&known, &mut |input, id| {
            match id {
                5 => v1 = Some(numbers_of::<4>(input)?),
                6 => input.skip(STRUCT, 0)?,
                7 => dictionary = Some(numbers_of::<2>(input)?),
                8 => v2 = Some(v2_of(input)?),
                _ => numbers[id as usize] = Some(input.i32()?),
            }
            Ok(())
        })?;
        let required = |number: Option<i32>| number.filter(|&n| n >= 0).ok_or(ThriftError::Malformed);
        let page = match required(numbers[1])? {
            DATA_PAGE => v1.map(|[values, encoding, definition_encoding, repetition_encoding]| {
                let version = Version::V1 { definition_encoding, repetition_encoding };
                PageKind::Data(DataPage { values, encoding, version })
            }),
            INDEX_PAGE if v1.is_none() && v2.is_none() && dictionary.is_none() => Some(PageKind::Index),
            DICTIONARY_PAGE => dictionary.map(|[values, encoding]| PageKind::Dictionary { values, encoding }),
            DATA_PAGE_V2 => v2.map(PageKind::Data),
            _ => None,
        };
        Ok(Self {
            header_bytes: input.position(),
            compressed_bytes: required(numbers[3])?,
            uncompressed_bytes: required(numbers[2])?,
            checksum: numbers[4].map(|checksum| checksum as u32),
            page: page.ok_or(ThriftError::Malformed)?,
        })
    }

    /// Values of a data page, nulls included; `None` for other pages.
    pub(super) fn values(&self) -> Option<i32> {
        match self.page {
            PageKind::Data(page) => Some(page.values),
            _ => None,
        }
    }

    /// Bytes of header and page in the file.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.header_bytes as u64 + u64::from(self.compressed_bytes.unsigned_abs())
    }

    /// A header for the same page without compression, checksum and statistics. Header and page as it declares
    /// them take as many bytes as those in the file, so that positions stay what they are.
    pub(super) fn for_decoder(&self) -> Vec<u8> {
        let (kind, fields): (i32, Vec<i32>) = match self.page {
            PageKind::Data(DataPage { values, encoding, version }) => match version {
                Version::V1 { definition_encoding, repetition_encoding } => {
                    (DATA_PAGE, vec![values, encoding, definition_encoding, repetition_encoding])
                }
                Version::V2 { nulls, rows, definition_bytes, repetition_bytes, .. } => {
                    (DATA_PAGE_V2, vec![values, nulls, rows, encoding, definition_bytes, repetition_bytes])
                }
            },
            PageKind::Dictionary { values, encoding } => (DICTIONARY_PAGE, vec![values, encoding]),
            PageKind::Index => (INDEX_PAGE, Vec::new()),
        };
        // Ids of fields are written as the distance from the one before.
        let distance = [2, 3, 4, 5][kind.unsigned_abs() as usize % 4];
        let fixed = 4 + i32_bytes(kind) + i32_bytes(self.uncompressed_bytes);
        let fixed = fixed + fields.iter().map(|&n| 1 + i32_bytes(n)).sum::<usize>() + 2;
        let declared = |width: usize| (self.stored_bytes() as i64 - (fixed + width) as i64).max(0) as i32;
        let width = (1..=5).find(|&width| i32_bytes(declared(width)) <= width).unwrap_or(5);
        let mut bytes = Vec::with_capacity(fixed + width);
        bytes.push(0x10 | I32);
        write_i32(&mut bytes, kind, 1);
        bytes.push(0x10 | I32);
        write_i32(&mut bytes, self.uncompressed_bytes, 1);
        bytes.push(0x10 | I32);
        write_i32(&mut bytes, declared(width), width);
        bytes.push(distance << 4 | STRUCT);
        for number in fields {
            bytes.push(0x10 | I32);
            write_i32(&mut bytes, number, 1);
        }
        bytes.extend([0, 0]);
        bytes
    }
}

/// The first `N` fields of a struct, all of them numbers that must be there.
fn numbers_of<const N: usize>(input: &mut Compact<'_>) -> Result<[i32; N]> {
    let mut numbers = [None; N];
    let known: [(i16, u8); N] = std::array::from_fn(|i| (i as i16 + 1, I32));
    input.fields(&known, &mut |input, id| {
        numbers[id as usize - 1] = Some(input.i32()?);
        Ok(())
    })?;
    all(numbers)
}

fn all<const N: usize>(numbers: [Option<i32>; N]) -> Result<[i32; N]> {
    match numbers.iter().all(|n| n.is_some_and(|n| n >= 0)) {
        true => Ok(numbers.map(Option::unwrap_or_default)),
        false => Err(ThriftError::Malformed),
    }
}

/// The header of a data page of version 2.
fn v2_of(input: &mut Compact<'_>) -> Result<DataPage> {
    let (mut numbers, mut is_compressed, mut last) = ([None; 6], true, 0);
    while let Some((id, kind)) = input.field(last)? {
        match (id, kind) {
            (1..=6, I32) => numbers[id as usize - 1] = Some(input.i32()?),
            (7, BOOL_TRUE | BOOL_FALSE) => is_compressed = kind == BOOL_TRUE,
            (1..=7, _) => return Err(ThriftError::Malformed),
            _ => input.skip(kind, 1)?,
        }
        last = id;
    }
    let [values, nulls, rows, encoding, definition_bytes, repetition_bytes] = all(numbers)?;
    let version = Version::V2 { nulls, rows, definition_bytes, repetition_bytes, is_compressed };
    Ok(DataPage { values, encoding, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// type = DATA_PAGE, sizes 2000 and 1000, crc, a v1 header of 250 values with statistics.
    const V1: &[u8] = &[
        0x15, 0x00, 0x15, 0xa0, 0x1f, 0x15, 0xd0, 0x0f, 0x15, 0x06, 0x1c, 0x15, 0xf4, 0x03, 0x15, 0x00, 0x15,
        0x06, 0x15, 0x06, 0x1c, 0x18, 0x03, b'a', b'b', b'c', 0x00, 0x00, 0x00, 0xff,
    ];

    #[test]
    fn reads_a_data_page_header() {
        let header = PageHeader::parse(V1).unwrap();
        assert_eq!(
            (header.uncompressed_bytes, header.compressed_bytes, header.values()),
            (2000, 1000, Some(250))
        );
        assert_eq!(header.checksum, Some(3));
        assert_eq!(header.header_bytes, V1.len() - 1, "the byte behind the header is not part of it");
    }

    #[test]
    fn every_cut_is_incomplete_and_no_byte_change_panics() {
        for end in 0..V1.len() - 1 {
            assert_eq!(PageHeader::parse(&V1[..end]), Err(ThriftError::Incomplete), "cut at {end}");
        }
        for at in 0..V1.len() {
            for value in 0..=255 {
                let mut bytes = V1.to_vec();
                bytes[at] = value;
                let _ = PageHeader::parse(&bytes);
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let bytes = vec![0x1c; 10_000];
        assert_eq!(PageHeader::parse(&bytes), Err(ThriftError::Malformed));
        let mut unknown = vec![0x9c];
        unknown.extend(vec![0x1c; 10_000]);
        assert_eq!(PageHeader::parse(&unknown), Err(ThriftError::Malformed));
    }

    #[test]
    fn a_header_for_the_decoder_says_the_same_in_the_same_place() {
        let v2 = |nulls, is_compressed| Version::V2 {
            nulls,
            rows: 70,
            definition_bytes: 9,
            repetition_bytes: 0,
            is_compressed,
        };
        let v1 = Version::V1 { definition_encoding: 3, repetition_encoding: 3 };
        let data = |version| PageKind::Data(DataPage { values: 70, encoding: 8, version });
        let kinds = [
            data(v1),
            data(v2(3, true)),
            data(v2(0, false)),
            PageKind::Dictionary { values: 9, encoding: 0 },
            PageKind::Index,
        ];
        for page in kinds {
            for compressed_bytes in [0, 1, 62, 63, 64, 65, 8_190, 8_200, 1 << 20, 255 << 20] {
                for more in [0, 1, 5, 60, 130, 70_000] {
                    let mut header = PageHeader {
                        header_bytes: 0,
                        compressed_bytes,
                        uncompressed_bytes: 777,
                        checksum: Some(1),
                        page,
                    };
                    // The least that the file's header can take, and what statistics may add.
                    let plain = header.for_decoder().len() - i32_bytes(0);
                    header.header_bytes = plain + i32_bytes(compressed_bytes) + more;
                    let bytes = header.for_decoder();
                    let read = PageHeader::parse(&bytes).unwrap();
                    assert_eq!(read.header_bytes, bytes.len());
                    assert_eq!(read.stored_bytes(), header.stored_bytes(), "{header:?}");
                    assert_eq!(read.uncompressed_bytes, 777);
                    assert_eq!(read.values(), header.values());
                    assert_eq!(read.checksum, None);
                }
            }
        }
    }
}
