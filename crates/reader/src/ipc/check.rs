//! What must hold of a message before the decoder sees it: its buffers lie in its body, what they decompress to fits
//! into memory, and a column that declares no null has none. The decoder checks everything else.

use std::collections::VecDeque;
use std::io::Read;

use arrow_ipc::{Block, CompressionType, FieldNode, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::malformed;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{MAX_IPC_BUFFER_BYTES, check_memory};

/// Blocks of a file do not share bytes: a place that is wrong by a bit would be that of another block.
pub(super) fn check_places<'b>(blocks: impl Iterator<Item = &'b Block>) -> Result<()> {
    let length = |block: &Block| i64::from(block.metaDataLength()) + block.bodyLength();
    let mut places: Vec<_> = blocks.map(|block| (block.offset(), length(block))).collect();
    places.sort_unstable();
    match places.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        true => Err(malformed("two record batches stand in the same place")),
        false => Ok(()),
    }
}

/// The schema stands at both ends of a file, and is the same there.
pub(super) fn check_schema(at_front: &Schema, in_footer: &Schema) -> Result<()> {
    let same = |(a, b): (&std::sync::Arc<Field>, &std::sync::Arc<Field>)| {
        a.name() == b.name() && a.data_type() == b.data_type() && a.is_nullable() == b.is_nullable()
    };
    let (front, footer) = (at_front.fields(), in_footer.fields());
    if front.len() != footer.len() {
        return Err(malformed("the footer has other columns than the front of the file"));
    }
    match footer.iter().zip(front).find(|(a, b)| !same((a, b))) {
        Some((field, _)) => Err(malformed("the footer says something else of it than the front of the file")
            .in_column(field.name())),
        None => Ok(()),
    }
}

/// Checks the header of a record batch, or of the values of a dictionary, against its body. `fields` are its columns;
/// without them only the first is looked at.
pub(super) fn check_batch(batch: &RecordBatch<'_>, fields: Option<&[&Field]>, body: &[u8]) -> Result<()> {
    let codec = batch.compression().map(|compression| compression.codec());
    let mut held = 0;
    for buffer in batch.buffers().into_iter().flatten() {
        let bytes = part(body, buffer)?;
        if codec.is_some() {
            let size = decompressed_bytes(bytes)?;
            check_memory(held, size)?;
            held += size;
        }
    }
    let nodes = batch.nodes().into_iter().flatten().copied().collect();
    let buffers = batch.buffers().into_iter().flatten().copied().collect();
    let variadic = batch.variadicBufferCounts().into_iter().flatten().collect();
    let mut parts = Parts { nodes, buffers, variadic, body, codec };
    match fields {
        Some(fields) => {
            for field in fields {
                if parts.walk(field.data_type()).map_err(|e| e.in_column(field.name()))?.is_none() {
                    return Ok(());
                }
            }
        }
        None => {
            parts.validity()?;
        }
    }
    Ok(())
}

/// The bytes of a buffer.
fn part<'b>(body: &'b [u8], buffer: &arrow_ipc::Buffer) -> Result<&'b [u8]> {
    let place = (usize::try_from(buffer.offset()), usize::try_from(buffer.length()));
    let (Ok(start), Ok(length)) = place else { return Err(malformed(OUTSIDE)) };
    let end = start.checked_add(length);
    end.and_then(|end| body.get(start..end)).ok_or_else(|| malformed(OUTSIDE))
}

const OUTSIDE: &str = "a buffer lies outside its record batch";

/// A compressed buffer begins with the length it decompresses to; -1 stands for one that is not compressed.
fn decompressed_bytes(buffer: &[u8]) -> Result<u64> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let Some(prefix) = buffer.first_chunk::<8>() else {
        return Err(malformed("a compressed buffer is too short for its length"));
    };
    match i64::from_le_bytes(*prefix) {
        -1 => Ok(buffer.len() as u64 - 8),
        length @ 0..=MAX_IPC_BUFFER_BYTES => Ok(length.unsigned_abs()),
        length if length < 0 => Err(malformed(format!("a buffer of {length} bytes"))),
        length => {
            let message = format!("a buffer of {length} bytes is beyond the limit of {MAX_IPC_BUFFER_BYTES}");
            Err(Error::new(ErrorKind::Limit, message))
        }
    }
}

/// Nodes and buffers in the order of the columns.
struct Parts<'b> {
    nodes: VecDeque<FieldNode>,
    buffers: VecDeque<arrow_ipc::Buffer>,
    variadic: VecDeque<i64>,
    body: &'b [u8],
    codec: Option<CompressionType>,
}

impl Parts<'_> {
    /// Takes what a column of this type consists of; `None` where that is not known here.
    fn walk(&mut self, kind: &DataType) -> Result<Option<()>> {
        let skip = match kind {
            DataType::Null => return Ok(self.nodes.pop_front().map(drop)),
            DataType::Union(..) => return Ok(None),
            DataType::RunEndEncoded(ends, values) => {
                self.nodes.pop_front();
                return Ok(self.walk(ends.data_type())?.and(self.walk(values.data_type())?));
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 2,
            DataType::Utf8View | DataType::BinaryView => {
                1 + self.variadic.pop_front().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
            }
            DataType::ListView(_) | DataType::LargeListView(_) => 2,
            DataType::FixedSizeList(..) | DataType::Struct(_) => 0,
            _ => 1,
        };
        if self.validity()?.is_none() {
            return Ok(None);
        }
        if skip > self.buffers.len() {
            return Ok(None);
        }
        self.buffers.drain(..skip);
        match kind {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::Map(item, _)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _) => self.walk(item.data_type()),
            DataType::Struct(fields) => {
                for field in fields {
                    if self.walk(field.data_type())?.is_none() {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            }
            _ => Ok(Some(())),
        }
    }

    /// Takes a node and the buffer that tells which values are there. The decoder does not look at that where the node
    /// declares no nulls.
    fn validity(&mut self) -> Result<Option<()>> {
        let (Some(node), Some(buffer)) = (self.nodes.pop_front(), self.buffers.pop_front()) else {
            return Ok(None);
        };
        let (Ok(rows), Ok(nulls)) = (usize::try_from(node.length()), usize::try_from(node.null_count()))
        else {
            return Err(malformed(format!("{} nulls in {} rows", node.null_count(), node.length())));
        };
        if nulls > rows {
            return Err(malformed(format!("{nulls} nulls in {rows} rows")));
        }
        if nulls == 0 && buffer.length() > 0 {
            let bits = self.bits(part(self.body, &buffer)?, rows.div_ceil(8))?;
            if bits.len() * 8 < rows || zeros(&bits, rows) {
                return Err(malformed("it declares no null and has some"));
            }
        }
        Ok(Some(()))
    }

    /// The first `count` bytes of a buffer.
    fn bits(&self, stored: &[u8], count: usize) -> Result<Vec<u8>> {
        let Some(codec) = self.codec else { return Ok(stored[..stored.len().min(count)].to_vec()) };
        let Some((prefix, rest)) = stored.split_first_chunk::<8>() else { return Ok(Vec::new()) };
        let mut bits = Vec::new();
        let read = match codec {
            _ if i64::from_le_bytes(*prefix) == -1 => rest.take(count as u64).read_to_end(&mut bits),
            CompressionType::LZ4_FRAME => {
                lz4_flex::frame::FrameDecoder::new(rest).take(count as u64).read_to_end(&mut bits)
            }
            _ => zstd::stream::read::Decoder::new(rest)
                .and_then(|decoder| decoder.take(count as u64).read_to_end(&mut bits)),
        };
        read.map_err(|e| malformed(format!("a buffer cannot be decompressed: {e}")))?;
        Ok(bits)
    }
}

/// Whether one of the first `count` bits is 0.
fn zeros(bits: &[u8], count: usize) -> bool {
    let (whole, rest) = (count / 8, count % 8);
    let mask = (1u8 << rest) - 1;
    bits[..whole].iter().any(|&byte| byte != 0xff) || (rest > 0 && bits[whole] & mask != mask)
}
