//! A Parquet file as pages and a footer, which can be changed and laid out again with right sizes and checksums.

use super::thrift::{Reader, Value};

/// A page: its header, and its content as it is before compression.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) header: Value,
    pub(crate) content: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Relaid {
    pub(crate) footer: Value,
    /// Pages of every column chunk, row group after row group.
    pub(crate) chunks: Vec<Vec<Page>>,
}

const UNCOMPRESSED: i64 = 0;
const SNAPPY: i64 = 1;
const DICTIONARY_PAGE: i64 = 2;

/// The descriptions of the column chunks in a footer.
pub(crate) fn chunks(footer: &Value) -> impl Iterator<Item = &Value> {
    let groups = footer.field(4).map_or(&[][..], Value::elements).iter();
    groups.flat_map(|group| group.field(1).map_or(&[][..], Value::elements)).filter_map(|c| c.field(3))
}

fn chunks_mut(footer: &mut Value) -> impl Iterator<Item = &mut Value> {
    let groups = footer.field_mut(4).map_or(&mut [][..], Value::elements_mut).iter_mut();
    groups.flat_map(|group| group.field_mut(1).map_or(&mut [][..], Value::elements_mut))
}

/// Where the footer begins, and where it ends.
pub(crate) fn footer_range(bytes: &[u8]) -> std::ops::Range<usize> {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    end - length as usize..end
}

/// The footer of a sound file.
pub(crate) fn footer(bytes: &[u8]) -> Value {
    Reader { bytes, at: footer_range(bytes).start }.value(12)
}

/// The places of all page headers of a sound file.
pub(crate) fn header_ranges(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    for chunk in chunks(&footer(bytes)) {
        let start = chunk.number(11).or(chunk.number(9)).unwrap() as usize;
        let (mut at, end) = (start, start + chunk.number(7).unwrap() as usize);
        while at < end {
            let mut reader = Reader { bytes, at };
            let header = reader.value(12);
            ranges.push(at..reader.at);
            at = reader.at + header.number(3).unwrap() as usize;
        }
    }
    ranges
}

/// The bytes of levels at the front of a page of version 2, which are not compressed, and whether the rest is.
fn uncompressed_bytes(header: &Value) -> (usize, bool) {
    let Some(v2) = header.field(8) else { return (0, true) };
    let levels = v2.number(5).unwrap_or(0) + v2.number(6).unwrap_or(0);
    (usize::try_from(levels).unwrap_or(0), v2.field(7) != Some(&Value::Bool(false)))
}

impl Relaid {
    /// Takes a sound file apart, whose pages are plain or compressed with Snappy.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let footer = footer(bytes);
        let mut pages = header_ranges(bytes).into_iter();
        let mut all = Vec::new();
        for chunk in chunks(&footer) {
            let start = chunk.number(11).or(chunk.number(9)).unwrap() as usize;
            let (mut at, end) = (start, start + chunk.number(7).unwrap() as usize);
            let mut of_chunk = Vec::new();
            while at < end {
                let range = pages.next().unwrap();
                let header = Reader { bytes, at: range.start }.value(12);
                at = range.end + header.number(3).unwrap() as usize;
                let stored = &bytes[range.end..at];
                let (levels, compressed) = uncompressed_bytes(&header);
                let mut content = stored[..levels].to_vec();
                match chunk.number(4).unwrap() {
                    SNAPPY if compressed && stored.len() > levels => {
                        content.extend(snap::raw::Decoder::new().decompress_vec(&stored[levels..]).unwrap());
                    }
                    _ => content.extend(&stored[levels..]),
                }
                of_chunk.push(Page { header, content });
            }
            all.push(of_chunk);
        }
        Self { footer, chunks: all }
    }

    /// Lays the file out: places, sizes and checksums are those of what is there.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = b"PAR1".to_vec();
        let mut footer = self.footer.clone();
        for (pages, chunk) in self.chunks.iter().zip(chunks_mut(&mut footer)) {
            // Indexes and filters would lie elsewhere.
            (4..=7).for_each(|id| chunk.remove(id));
            let Some(metadata) = chunk.field_mut(3) else { continue };
            [14, 15].into_iter().for_each(|id| metadata.remove(id));
            let (start, mut uncompressed, mut data) = (bytes.len(), 0, None);
            for page in pages {
                if page.header.number(1) != Some(DICTIONARY_PAGE) {
                    data.get_or_insert(bytes.len());
                }
                uncompressed += page.write(metadata.number(4).unwrap_or(UNCOMPRESSED), &mut bytes);
            }
            metadata.set(6, uncompressed as i64);
            metadata.set(7, (bytes.len() - start) as i64);
            metadata.set(9, data.unwrap_or(start) as i64);
            metadata.set(11, start as i64);
        }
        let start = bytes.len();
        footer.write(&mut bytes);
        let length = (bytes.len() - start) as u32;
        bytes.extend(length.to_le_bytes());
        bytes.extend(b"PAR1");
        bytes
    }
}

impl Page {
    /// Appends header and page; the size of both without compression.
    fn write(&self, codec: i64, bytes: &mut Vec<u8>) -> usize {
        let (levels, compressed) = uncompressed_bytes(&self.header);
        let levels = levels.min(self.content.len());
        let mut stored = self.content[..levels].to_vec();
        match codec {
            SNAPPY if compressed => {
                stored.extend(snap::raw::Encoder::new().compress_vec(&self.content[levels..]).unwrap());
            }
            _ => stored.extend(&self.content[levels..]),
        }
        let mut header = self.header.clone();
        header.set(2, self.content.len() as i64);
        header.set(3, stored.len() as i64);
        header.set(4, i64::from(crc32fast::hash(&stored) as i32));
        let start = bytes.len();
        header.write(bytes);
        let size = bytes.len() - start + self.content.len();
        bytes.extend(stored);
        size
    }
}
