//! A column chunk, and how far its pages were read; a page of it, decompressed and checked.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::ColumnDescPtr;

use super::codec::{Decompressor, literals};
use super::content::{Shape, Values};
use super::page_header::{DataPage, PageHeader, PageKind, Version};
use crate::error::{Error, ErrorKind, Place};
use crate::storage::buffers::Buffers;

/// A column chunk whose pages are read, and how far they were.
pub(super) struct Chunk {
    pub(super) row_group: usize,
    pub(super) column: ColumnDescPtr,
    pub(super) shape: Shape,
    pub(super) codec: Compression,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Values that the footer declares, nulls included.
    pub(super) values: i64,
    /// Values of the pages met so far.
    pub(super) met: i64,
    /// Where the page behind these begins.
    pub(super) next: u64,
    /// Bytes of its dictionary and of its last page, decompressed, which the decoder holds.
    pub(super) held: [u64; 2],
    /// Pages whose headers the decoder has read and whose content it may ask for.
    pub(super) announced: Vec<Announced>,
}

/// A page whose header was read.
#[derive(Clone, Copy)]
pub(super) struct Announced {
    pub(super) header: PageHeader,
    /// Where the header begins in the file.
    pub(super) at: u64,
    /// Where the decoder takes the content to begin.
    pub(super) content_at: u64,
}

impl Chunk {
    /// The chunk of `codec` that the footer describes. `chunk` is what the decoder takes it for.
    pub(super) fn new(row_group: usize, chunk: &ColumnChunkMetaData, codec: Compression) -> Self {
        let (start, length) = chunk.byte_range();
        Self {
            row_group,
            column: chunk.column_descr_ptr(),
            shape: Shape::of(chunk.column_descr()),
            codec,
            start,
            end: start + length,
            values: chunk.num_values(),
            met: 0,
            next: start,
            held: [0; 2],
            announced: Vec::new(),
        }
    }

    /// Whether the values of a page are compressed.
    pub(super) fn is_compressed(&self, header: &PageHeader) -> bool {
        let says_not = matches!(
            header.page,
            PageKind::Data(DataPage { version: Version::V2 { is_compressed: false, .. }, .. })
        );
        self.codec != Compression::UNCOMPRESSED && !says_not
    }

    /// Says where an error is.
    pub(super) fn place(&self, error: Error) -> Error {
        error.in_column(self.column.path().string()).at(Place::RowGroup(self.row_group))
    }

    /// Takes note of the page at `at`: pages follow one another, the dictionary first.
    pub(super) fn meet(&mut self, header: &PageHeader, at: u64) -> std::result::Result<(), String> {
        let after = at + header.stored_bytes();
        if after > self.end {
            return Err(format!("the page at byte {at} runs beyond its column chunk"));
        }
        if at < self.next {
            return Ok(());
        }
        match header.page {
            PageKind::Dictionary { .. } if at != self.start => {
                return Err(format!("the dictionary at byte {at} is not the first page of its column chunk"));
            }
            PageKind::Data(page) => self.met += i64::from(page.values),
            PageKind::Dictionary { .. } | PageKind::Index => {}
        }
        self.next = after;
        if self.met > self.values {
            return Err(format!("the footer declares {} values, the pages have more", self.values));
        }
        Ok(())
    }
}

pub(super) fn outside(at: u64) -> Error {
    Error::new(ErrorKind::Malformed, format!("there is no page at byte {at}, where one should be"))
}

pub(super) fn damaged(at: u64, fault: &str) -> Error {
    Error::new(ErrorKind::Malformed, format!("the page at byte {at} is damaged: {fault}"))
}

/// The content of a plain page of numbers without nulls that was not compressed to anything shorter: it stands in `stored` as it is, in
/// pieces. `None` for all other pages, and where something is wrong.
pub(super) fn uncompressed_pieces(
    chunk: &Chunk,
    header: &PageHeader,
    stored: &Bytes,
) -> Option<(Vec<Bytes>, Values)> {
    let PageKind::Data(page) = &header.page else { return None };
    if chunk.codec != Compression::SNAPPY || !chunk.is_compressed(header) {
        return None;
    }
    let levels = levels_in_front(header).filter(|&levels| levels <= stored.len())?;
    let size = header.uncompressed_bytes.unsigned_abs() as usize;
    let literals = literals(&stored[levels..], size.checked_sub(levels)?)?;
    if header.checksum.is_some_and(|checksum| checksum != crc32fast::hash(stored)) {
        return None;
    }
    let literals = literals.into_iter().map(|range| stored.slice(levels + range.start..levels + range.end));
    let front = (levels > 0).then(|| stored.slice(..levels));
    let pieces: Vec<Bytes> = front.into_iter().chain(literals).collect();
    let values = chunk.shape.plain_values(page, pieces.first()?, size)?;
    Some((pieces, values))
}

/// Bytes of the levels of a page that stand in front of what is compressed.
fn levels_in_front(header: &PageHeader) -> Option<usize> {
    let levels = match header.page {
        PageKind::Data(DataPage {
            version: Version::V2 { definition_bytes, repetition_bytes, .. }, ..
        }) => u64::from(definition_bytes.unsigned_abs()) + u64::from(repetition_bytes.unsigned_abs()),
        _ => 0,
    };
    usize::try_from(levels).ok()
}

/// A page as it stands in the file, from some byte on.
pub(super) struct Stored {
    pub(super) bytes: Bytes,
    pub(super) from: usize,
}

/// The content of a page, decompressed and checked, behind `front`; and where its values are in it. `page` is what stands in
/// the file.
pub(super) fn check_page(
    (chunk, decompressor): (&Chunk, &mut Decompressor),
    header: &PageHeader,
    page: Stored,
    buffers: &Arc<Buffers>,
    front: &[u8],
) -> std::result::Result<(Bytes, Values), String> {
    let stored = &page.bytes[page.from..];
    if header.checksum.is_some_and(|checksum| checksum != crc32fast::hash(stored)) {
        return Err("its checksum is not the one in its header".into());
    }
    let size = header.uncompressed_bytes.unsigned_abs() as usize;
    let levels = levels_in_front(header).unwrap_or(usize::MAX);
    if levels > size || levels > stored.len() {
        return Err("its levels are longer than the page".into());
    }
    let is_plain = !chunk.is_compressed(header);
    if is_plain && stored.len() != size {
        return Err(format!("it has {} bytes, its header declares {size}", stored.len()));
    }
    let output = if is_plain && front.is_empty() {
        page.bytes.slice(page.from..)
    } else {
        let mut output = buffers.take(front.len() + size);
        let (before, content) = output.as_mut_slice().split_at_mut(front.len());
        before.copy_from_slice(front);
        let same = if is_plain { size } else { levels };
        content[..same].copy_from_slice(&stored[..same]);
        // Nothing may have been compressed to something.
        if same < size {
            decompressor.decompress(chunk.codec, &stored[same..], &mut content[same..])?;
        }
        output.into_bytes()
    };
    let content = &output[front.len()..];
    let values = match &header.page {
        PageKind::Data(page) => chunk.shape.check_page(page, content)?,
        PageKind::Dictionary { values, encoding } => {
            chunk.shape.check_dictionary(*values, *encoding, content)?;
            Values { present: values.unsigned_abs() as usize, at: 0 }
        }
        PageKind::Index => Values::default(),
    };
    Ok((output, values))
}
