//! One column whose values are used where they lie in its pages.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_schema::DataType;
use bytes::Bytes;

use super::indices::Indices;
use super::types::array;
use crate::error::{Error, ErrorKind, Result};
use crate::parquet::content::{PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY};
use crate::parquet::page_header::{DataPage, PageKind, Version};
use crate::parquet::pages::{Content, Page, Reading};
use crate::storage::buffers::Buffers;

/// The pages of a column chunk that are wanted.
pub(super) struct ChunkPages {
    /// Where the next page begins.
    pub(super) at: u64,
    /// Where the first page of values begins, if others stand between it and the dictionary.
    pub(super) first: Option<u64>,
    /// Rows that are passed over.
    pub(super) skip: u64,
    /// Rows that are wanted behind them.
    pub(super) rows: u64,
}

/// A column, and the page of it that is being used.
pub(super) struct Column {
    kind: DataType,
    width: usize,
    chunks: VecDeque<ChunkPages>,
    dictionary: Option<Dictionary>,
    page: Option<Values>,
    /// Bytes in front of a page that put its values where numbers may lie, if its levels are as long as those of the page before.
    pad: usize,
}

/// The values of a dictionary: as they stand in its page.
struct Dictionary {
    bytes: Bytes,
    at: usize,
}

/// The values of a page that are still to come.
struct Values {
    left: usize,
    encoded: Encoded,
}

enum Encoded {
    /// They stand in the bytes from some place on.
    Plain(Bytes, usize),
    /// They stand in several pieces, and begin at some place of the first.
    Pieces(VecDeque<Bytes>, usize),
    Indices(Indices),
}

/// What the decoder has to look at. Nobody is told.
pub(super) fn not_in_place(what: &str) -> Error {
    Error::new(ErrorKind::Malformed, what.to_owned())
}

impl Column {
    /// The column of a type whose values have `width` bytes in its pages.
    pub(super) fn new(kind: DataType, width: usize, chunks: VecDeque<ChunkPages>) -> Self {
        Self { kind, width, chunks, dictionary: None, page: None, pad: 0 }
    }

    /// The next `rows` values.
    ///
    /// # Errors
    /// What is wrong with a page, and that values do not lie there as they would be used.
    pub(super) fn take(
        &mut self,
        rows: usize,
        reading: &Reading,
        buffers: &Arc<Buffers>,
    ) -> Result<ArrayRef> {
        let values = match self.take_in_place(rows, reading)? {
            Some(values) => values,
            None => self.take_copied(rows, reading, buffers)?,
        };
        array(&self.kind, self.width, values, rows).ok_or_else(|| not_in_place("the type has other values"))
    }

    /// The next values if they lie together in one page, and where numbers may lie.
    fn take_in_place(&mut self, rows: usize, reading: &Reading) -> Result<Option<Buffer>> {
        let width = self.width;
        let page = self.page(reading)?;
        let Values { left, encoded: Encoded::Plain(bytes, at) } = page else { return Ok(None) };
        let length = rows * width;
        if *left < rows || !(bytes.as_ptr() as usize + *at).is_multiple_of(width) {
            return Ok(None);
        }
        let values = Buffer::from(bytes.slice(*at..*at + length));
        *at += length;
        *left -= rows;
        Ok(Some(values))
    }

    /// The next values, put together.
    fn take_copied(&mut self, rows: usize, reading: &Reading, buffers: &Arc<Buffers>) -> Result<Buffer> {
        let mut copied = buffers.take(rows * self.width);
        let mut rest = copied.as_mut_slice();
        while !rest.is_empty() {
            let width = self.width;
            self.page(reading)?;
            let (Some(page), dictionary) = (&mut self.page, self.dictionary.as_ref()) else { continue };
            let count = page.left.min(rest.len() / width);
            let (front, behind) = rest.split_at_mut(count * width);
            page.copy(front, width, dictionary)?;
            rest = behind;
        }
        let values = copied.into_bytes();
        match values.as_ptr() as usize % self.width {
            0 => Ok(Buffer::from(values)),
            _ => Ok(Buffer::from_slice_ref(values.as_ref())),
        }
    }

    /// The page that has the next value. The one before is let go before it is read.
    fn page(&mut self, reading: &Reading) -> Result<&mut Values> {
        if self.page.as_ref().is_some_and(|page| page.left == 0) {
            self.page = None;
        }
        match self.page {
            Some(ref mut page) => Ok(page),
            None => {
                let page = self.next_page(reading)?;
                Ok(self.page.insert(page))
            }
        }
    }

    fn next_page(&mut self, reading: &Reading) -> Result<Values> {
        loop {
            let chunk = self.chunks.front_mut().ok_or_else(|| not_in_place("there are no more rows"))?;
            if chunk.rows == 0 {
                self.chunks.pop_front();
                self.dictionary = None;
                continue;
            }
            let page = reading.page(chunk.at, self.pad)?;
            chunk.at += page.header.stored_bytes();
            match page.header.page {
                PageKind::Dictionary { .. } if self.dictionary.is_none() => {
                    chunk.at = chunk.first.take().unwrap_or(chunk.at);
                    let Content::Whole(bytes) = page.content else {
                        return Err(not_in_place("a dictionary in pieces"));
                    };
                    self.dictionary = Some(Dictionary { bytes, at: page.values.at });
                }
                PageKind::Data(header) if chunk.first.is_none() => {
                    let count = header.values.unsigned_abs() as usize;
                    let skip = usize::try_from(chunk.skip).unwrap_or(usize::MAX).min(count);
                    let left = usize::try_from(chunk.rows).unwrap_or(usize::MAX).min(count - skip);
                    chunk.skip -= skip as u64;
                    chunk.rows -= left as u64;
                    let before = page.values.at - page.front;
                    self.pad = before.next_multiple_of(self.width) - before;
                    if left > 0 {
                        return self.values(page, &header, skip, left);
                    }
                }
                _ => return Err(not_in_place("a page is not of the kind that should follow")),
            }
        }
    }

    /// The values of a page behind the first `skip`.
    fn values(&self, page: Page, header: &DataPage, skip: usize, left: usize) -> Result<Values> {
        if page.values.present != header.values.unsigned_abs() as usize {
            return Err(not_in_place("there are nulls"));
        }
        let old_levels =
            matches!(header.version, Version::V1 { definition_encoding, .. } if definition_encoding != RLE);
        if old_levels && page.values.at > 0 {
            return Err(not_in_place("levels of an old encoding"));
        }
        let at = page.values.at;
        let from = at + skip * self.width;
        let encoded = match (header.encoding, page.content) {
            (PLAIN, Content::Whole(bytes)) => Encoded::Plain(bytes, from),
            (PLAIN, Content::Pieces(pieces)) => {
                let mut pieces = VecDeque::from(pieces);
                let mut at = from;
                pass_over(&mut pieces, &mut at);
                Encoded::Pieces(pieces, at)
            }
            (PLAIN_DICTIONARY | RLE_DICTIONARY, Content::Whole(bytes)) if self.dictionary.is_some() => {
                let indices = Indices::new(bytes, at);
                let mut indices = indices.ok_or_else(|| not_in_place("indices that are too wide"))?;
                indices.pass_over(skip).map_err(not_in_place)?;
                Encoded::Indices(indices)
            }
            _ => return Err(not_in_place("another encoding")),
        };
        Ok(Values { left, encoded })
    }
}

impl Values {
    /// Copies the next values, each of `width` bytes, to `out`.
    fn copy(&mut self, out: &mut [u8], width: usize, dictionary: Option<&Dictionary>) -> Result<()> {
        match &mut self.encoded {
            Encoded::Plain(bytes, at) => {
                out.copy_from_slice(&bytes[*at..*at + out.len()]);
                *at += out.len();
            }
            Encoded::Pieces(pieces, at) => {
                let mut rest = &mut *out;
                while !rest.is_empty() {
                    let piece = pieces.front().ok_or_else(|| not_in_place("values are missing"))?;
                    let count = rest.len().min(piece.len() - *at);
                    let (front, behind) = rest.split_at_mut(count);
                    front.copy_from_slice(&piece[*at..*at + count]);
                    rest = behind;
                    *at += count;
                    pass_over(pieces, at);
                }
            }
            Encoded::Indices(indices) => {
                let dictionary = dictionary.map_or(&[][..], |dictionary| &dictionary.bytes[dictionary.at..]);
                match width {
                    4 => gather::<4>(indices, dictionary, out)?,
                    _ => gather::<8>(indices, dictionary, out)?,
                }
            }
        }
        self.left -= out.len() / width;
        Ok(())
    }
}

/// Lets the pieces go that end before `at`, which counts from the first.
fn pass_over(pieces: &mut VecDeque<Bytes>, at: &mut usize) {
    while let Some(first) = pieces.front().map(Bytes::len).filter(|first| first <= at) {
        pieces.pop_front();
        *at -= first;
    }
}

/// Indices that are unpacked before their values are fetched.
const UNPACKED: usize = 1024;

/// Fetches values of `WIDTH` bytes.
fn gather<const WIDTH: usize>(indices: &mut Indices, dictionary: &[u8], out: &mut [u8]) -> Result<()> {
    let (values, _) = dictionary.as_chunks::<WIDTH>();
    let mut unpacked = [0; UNPACKED];
    for out in out.as_chunks_mut::<WIDTH>().0.chunks_mut(UNPACKED) {
        let unpacked = &mut unpacked[..out.len()];
        indices.fill(unpacked).map_err(not_in_place)?;
        for (out, &index) in out.iter_mut().zip(&*unpacked) {
            *out = *values.get(index as usize).ok_or_else(|| not_in_place("there is no such value"))?;
        }
    }
    Ok(())
}
