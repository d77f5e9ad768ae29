//! Page headers: just enough of Thrift's compact protocol to know the size and the rows of a page
//! before anything is allocated for it.
//!
//! The decoder trusts a header's uncompressed size, so a damaged or hostile one could make it allocate
//! gigabytes; and a row group without an offset index says nothing about where its pages begin. Both
//! needs are met by reading the headers ourselves. Field numbers are those of `PageHeader` in the
//! Parquet format's `parquet.thrift`.

/// What a page header says about its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Size of the header itself, in bytes.
    pub(super) header_bytes: usize,
    /// Size of the page behind the header, in bytes.
    pub(super) compressed_bytes: i32,
    /// Size of the page after decompression, in bytes.
    pub(super) uncompressed_bytes: i32,
    /// Whether a checksum of the page stands in the header.
    pub(super) has_checksum: bool,
    /// Values of a data page, nulls included; `None` for a dictionary or index page.
    pub(super) values: Option<i32>,
}

/// Why a header could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// The bytes end before the header does.
    Incomplete,
    /// The bytes are no page header.
    Malformed,
}

/// Structs may nest this deep; a real header needs three levels.
const MAX_DEPTH: usize = 16;

const STOP: u8 = 0;
const BOOL_TRUE: u8 = 1;
const BOOL_FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

const DATA_PAGE_HEADER: i16 = 5;
const DATA_PAGE_HEADER_V2: i16 = 8;

impl PageHeader {
    /// Reads the header at the front of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut input = Compact { bytes, at: 0 };
        let (mut compressed, mut uncompressed, mut values, mut has_checksum) = (None, None, None, false);
        let mut last = 0;
        while let Some((id, kind)) = input.field(last)? {
            match (id, kind) {
                (2, I32) => uncompressed = Some(input.i32()?),
                (3, I32) => compressed = Some(input.i32()?),
                (4, I32) => {
                    input.i32()?;
                    has_checksum = true;
                }
                (DATA_PAGE_HEADER | DATA_PAGE_HEADER_V2, STRUCT) => values = Some(input.data_page_values()?),
                _ => input.skip(kind, 0)?,
            }
            last = id;
        }
        let header = Self {
            header_bytes: input.at,
            compressed_bytes: compressed.ok_or(HeaderError::Malformed)?,
            uncompressed_bytes: uncompressed.ok_or(HeaderError::Malformed)?,
            has_checksum,
            values,
        };
        let negative = header.compressed_bytes < 0
            || header.uncompressed_bytes < 0
            || header.values.is_some_and(|v| v < 0);
        if negative { Err(HeaderError::Malformed) } else { Ok(header) }
    }
}

/// A cursor over Thrift's compact encoding.
struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8, HeaderError> {
        let byte = *self.bytes.get(self.at).ok_or(HeaderError::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, HeaderError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(HeaderError::Malformed)
    }

    fn zigzag(&mut self) -> Result<i64, HeaderError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn i32(&mut self) -> Result<i32, HeaderError> {
        i32::try_from(self.zigzag()?).map_err(|_| HeaderError::Malformed)
    }

    /// The next field's id and type, or `None` at the end of the struct.
    fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>, HeaderError> {
        let byte = self.byte()?;
        let (delta, kind) = (byte >> 4, byte & 0x0f);
        if kind == STOP {
            return Ok(None);
        }
        let id = if delta == 0 {
            i16::try_from(self.zigzag()?).map_err(|_| HeaderError::Malformed)?
        } else {
            last.checked_add(i16::from(delta)).ok_or(HeaderError::Malformed)?
        };
        Ok(Some((id, kind)))
    }

    /// `num_values`, field 1 of both kinds of data page header.
    fn data_page_values(&mut self) -> Result<i32, HeaderError> {
        let (mut values, mut last) = (None, 0);
        while let Some((id, kind)) = self.field(last)? {
            match (id, kind) {
                (1, I32) => values = Some(self.i32()?),
                _ => self.skip(kind, 1)?,
            }
            last = id;
        }
        values.ok_or(HeaderError::Malformed)
    }

    fn advance(&mut self, bytes: u64) -> Result<(), HeaderError> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(HeaderError::Incomplete);
        }
        self.at += bytes as usize;
        Ok(())
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), HeaderError> {
        if depth > MAX_DEPTH {
            return Err(HeaderError::Malformed);
        }
        match kind {
            BOOL_TRUE | BOOL_FALSE => Ok(()),
            I8 => self.advance(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.advance(8),
            BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            LIST | SET => self.skip_list(depth),
            MAP => self.skip_map(depth),
            STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    self.skip(kind, depth + 1)?;
                    last = id;
                }
                Ok(())
            }
            _ => Err(HeaderError::Malformed),
        }
    }

    fn skip_list(&mut self, depth: usize) -> Result<(), HeaderError> {
        let byte = self.byte()?;
        let length = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        // Inside a list a boolean takes a byte, so every element takes at least one: the length is bounded by the bytes.
        for _ in 0..length {
            match byte & 0x0f {
                BOOL_TRUE | BOOL_FALSE => self.advance(1)?,
                kind => self.skip(kind, depth + 1)?,
            }
        }
        Ok(())
    }

    fn skip_map(&mut self, depth: usize) -> Result<(), HeaderError> {
        let length = self.varint()?;
        if length == 0 {
            return Ok(());
        }
        let kinds = self.byte()?;
        for _ in 0..length {
            for kind in [kinds >> 4, kinds & 0x0f] {
                match kind {
                    BOOL_TRUE | BOOL_FALSE => self.advance(1)?,
                    kind => self.skip(kind, depth + 1)?,
                }
            }
        }
        Ok(())
    }
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
            (header.uncompressed_bytes, header.compressed_bytes, header.values),
            (2000, 1000, Some(250))
        );
        assert!(header.has_checksum);
        assert_eq!(header.header_bytes, V1.len() - 1, "the byte behind the header is not part of it");
    }

    #[test]
    fn every_cut_is_incomplete_and_no_byte_change_panics() {
        for end in 0..V1.len() - 1 {
            assert_eq!(PageHeader::parse(&V1[..end]), Err(HeaderError::Incomplete), "cut at {end}");
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
        assert_eq!(PageHeader::parse(&bytes), Err(HeaderError::Malformed));
    }
}
