//! Just enough of Thrift's compact protocol to read what a Parquet file says of itself before anything is
//! allocated for it, and to write a page header.

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThriftError {
    /// They end before the struct does.
    Incomplete,
    /// They are not the struct that they should be.
    Malformed,
}

/// Result of reading.
pub(super) type Result<T> = std::result::Result<T, ThriftError>;

/// Structs may nest this deep; a footer needs six levels.
const MAX_DEPTH: usize = 16;

const STOP: u8 = 0;
pub(super) const BOOL_TRUE: u8 = 1;
pub(super) const BOOL_FALSE: u8 = 2;
pub(super) const I8: u8 = 3;
pub(super) const I16: u8 = 4;
pub(super) const I32: u8 = 5;
pub(super) const I64: u8 = 6;
const DOUBLE: u8 = 7;
pub(super) const BINARY: u8 = 8;
pub(super) const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
pub(super) const STRUCT: u8 = 12;

/// A cursor over Thrift's compact encoding.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Compact<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number of bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or(ThriftError::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ThriftError::Malformed)
    }

    fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        i32::try_from(self.zigzag()?).map_err(|_| ThriftError::Malformed)
    }

    pub(super) fn i8(&mut self) -> Result<i8> {
        Ok(self.byte()? as i8)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8]> {
        let length = self.varint()?;
        let start = self.at;
        self.advance(length)?;
        Ok(&self.bytes[start..self.at])
    }

    /// The next field's id and type, or `None` at the end of the struct.
    pub(super) fn field(&mut self, last: i16) -> Result<Option<(i16, u8)>> {
        let byte = self.byte()?;
        let (delta, kind) = (byte >> 4, byte & 0x0f);
        if kind == STOP {
            return Ok(None);
        }
        let id = if delta == 0 {
            i16::try_from(self.zigzag()?).map_err(|_| ThriftError::Malformed)?
        } else {
            last.checked_add(i16::from(delta)).ok_or(ThriftError::Malformed)?
        };
        Ok(Some((id, kind)))
    }

    /// Reads a struct whose fields are `known`: id and type of each. `read` takes their values. A known field of
    /// another type is no field of this struct; fields that are not known are passed over.
    pub(super) fn fields(
        &mut self,
        known: &[(i16, u8)],
        read: &mut dyn FnMut(&mut Self, i16) -> Result<()>,
    ) -> Result<()> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(last)? {
            match known.iter().find(|(known, _)| *known == id) {
                Some((_, expected)) if *expected == kind => read(self, id)?,
                Some(_) => return Err(ThriftError::Malformed),
                None => self.skip(kind, 0)?,
            }
            last = id;
        }
        Ok(())
    }

    /// Reads the head of a list of `kind`: the number of its elements, each of which takes a byte at least.
    pub(super) fn list(&mut self, kind: u8) -> Result<usize> {
        let byte = self.byte()?;
        let length = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        let fits = length <= (self.bytes.len() - self.at) as u64;
        // An empty list may call its elements anything.
        match byte & 0x0f == kind || length == 0 {
            true if fits => Ok(length as usize),
            _ => Err(ThriftError::Malformed),
        }
    }

    fn advance(&mut self, bytes: u64) -> Result<()> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(ThriftError::Incomplete);
        }
        self.at += bytes as usize;
        Ok(())
    }

    pub(super) fn skip(&mut self, kind: u8, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(ThriftError::Malformed);
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
            _ => Err(ThriftError::Malformed),
        }
    }

    fn skip_list(&mut self, depth: usize) -> Result<()> {
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

    fn skip_map(&mut self, depth: usize) -> Result<()> {
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

/// Appends `value`, in zigzag form, to `bytes`; in as many bytes as it takes, `least` at least.
pub(super) fn write_i32(bytes: &mut Vec<u8>, value: i32, least: usize) {
    let mut left = (value as u32) << 1 ^ (value >> 31) as u32;
    for count in 1.. {
        let more = left >> 7 != 0 || count < least;
        bytes.push((left & 0x7f) as u8 | u8::from(more) << 7);
        if !more {
            break;
        }
        left >>= 7;
    }
}

/// The bytes that a value takes in zigzag form.
pub(super) fn i32_bytes(value: i32) -> usize {
    let zigzag = (value as u32) << 1 ^ (value >> 31) as u32;
    (32 - zigzag.leading_zeros() as usize).div_ceil(7).max(1)
}
