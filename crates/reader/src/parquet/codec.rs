//! Decompression of pages: exactly as many bytes as their headers declare, or an error.

use std::io::{self, Read};
use std::ops::Range;

use parquet::basic::Compression;

/// What is kept from page to page.
#[derive(Default)]
pub(super) struct Decompressor {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// Fills `output` with what `input` decompresses to, which must be as many bytes.
    ///
    /// # Errors
    /// What the codec says, or that the sizes differ.
    pub(super) fn decompress(
        &mut self,
        codec: Compression,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), String> {
        let size = output.len();
        let written = match codec {
            Compression::UNCOMPRESSED if input.len() != size => input.len(),
            Compression::UNCOMPRESSED => {
                output.copy_from_slice(input);
                size
            }
            Compression::SNAPPY => {
                let declared = snap::raw::decompress_len(input).map_err(|e| e.to_string())?;
                if declared != size {
                    return Err(other_size(declared, size));
                }
                snap::raw::Decoder::new().decompress(input, output).map_err(|e| e.to_string())?
            }
            Compression::GZIP(_) => fill(flate2::read::MultiGzDecoder::new(input), output)?,
            Compression::BROTLI(_) => fill(brotli::Decompressor::new(input, size.clamp(1, 1 << 16)), output)?,
            Compression::ZSTD(_) => {
                // Without a new context for every page.
                let decompressor = match &mut self.zstd {
                    Some(decompressor) => decompressor,
                    none => none.insert(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
                };
                decompressor.decompress_to_buffer(input, output).map_err(|e| e.to_string())?
            }
            Compression::LZ4_RAW => lz4_block(input, output)?,
            Compression::LZ4 => lz4(input, output)?,
            other => return Err(format!("{other} is not supported")),
        };
        if written == size { Ok(()) } else { Err(other_size(written, size)) }
    }
}

/// Where in `input` the bytes stand that it decompresses to, if Snappy found nothing to save in them: then they stand there as they
/// are, in pieces. `None` for anything else.
pub(super) fn literals(input: &[u8], size: usize) -> Option<Vec<Range<usize>>> {
    let (mut at, mut found, mut ranges) = (0, 0, Vec::new());
    let mut declared = 0;
    for shift in (0..32).step_by(7) {
        let byte = *input.get(at)?;
        at += 1;
        declared |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    while at < input.len() {
        let tag = usize::from(input[at]);
        at += 1;
        let bytes = (tag >> 2).saturating_sub(59);
        let length = match bytes {
            _ if tag & 3 != 0 => return None,
            0 => tag >> 2,
            bytes => {
                let length = input.get(at..at + bytes)?;
                length.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
            }
        };
        let end = (at + bytes).checked_add(length)?.checked_add(1)?;
        // Short ones are not worth it.
        if end > input.len() || (length < SHORTEST_LITERAL && end < input.len()) {
            return None;
        }
        ranges.push(at + bytes..end);
        found += length + 1;
        at = end;
    }
    (found == size && declared == size as u64).then_some(ranges)
}

/// A literal of fewer bytes ends the search.
const SHORTEST_LITERAL: usize = 2048;

fn other_size(found: usize, declared: usize) -> String {
    format!("it decompresses to {found} bytes, its header declares {declared}")
}

/// Reads to the end, but not far beyond what `output` holds; the number of bytes met.
fn fill(mut input: impl Read, output: &mut [u8]) -> Result<usize, String> {
    let mut filled = 0;
    loop {
        let mut beyond = [0];
        let rest = if filled < output.len() { &mut output[filled..] } else { &mut beyond[..] };
        match input.read(rest) {
            Ok(0) => return Ok(filled),
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
        if filled > output.len() {
            return Ok(filled);
        }
    }
}

fn lz4_block(input: &[u8], output: &mut [u8]) -> Result<usize, String> {
    lz4_flex::block::decompress_into(input, output).map_err(|e| e.to_string())
}

/// A way to decompress; the number of bytes that an input has.
type Way = fn(&[u8], &mut [u8]) -> Result<usize, String>;

/// The codec that the format calls LZ4. Hadoop puts lengths before every block; old writers of other families
/// wrote frames, or a bare block.
fn lz4(input: &[u8], output: &mut [u8]) -> Result<usize, String> {
    let ways: [Way; 3] =
        [lz4_hadoop, |input, output| fill(lz4_flex::frame::FrameDecoder::new(input), output), lz4_block];
    let mut outcome = Ok(0);
    for way in ways {
        outcome = way(input, output);
        if outcome == Ok(output.len()) {
            break;
        }
    }
    outcome
}

/// Blocks, each behind its sizes: decompressed and compressed, the highest byte first.
fn lz4_hadoop(input: &[u8], output: &mut [u8]) -> Result<usize, String> {
    let (mut rest, mut filled) = (input, 0);
    while !rest.is_empty() {
        let malformed = || "not a block of LZ4 as Hadoop writes it".to_owned();
        let (sizes, after) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let [a, b, c, d, e, f, g, h] = *sizes;
        let (decompressed, compressed) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let (block, after) = after.split_at_checked(compressed as usize).ok_or_else(malformed)?;
        let place = output[filled..].get_mut(..decompressed as usize).ok_or_else(malformed)?;
        if lz4_block(block, place)? != place.len() {
            return Err(malformed());
        }
        filled += place.len();
        rest = after;
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Into memory that is not clear, as it comes back from other pages.
    fn decompress(codec: Compression, input: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let mut output = vec![0xa5; size];
        Decompressor::default().decompress(codec, input, &mut output)?;
        Ok(output)
    }
    use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};
    use std::io::Write;

    const TEXT: &[u8] = b"one and one and one and one and one and one and one and one and two";

    fn compressed() -> Vec<(Compression, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(TEXT).unwrap();
        let mut brotli = Vec::new();
        brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20).write_all(TEXT).unwrap();
        let block = lz4_flex::block::compress(TEXT);
        let sizes = [(TEXT.len() as u32).to_be_bytes(), (block.len() as u32).to_be_bytes()].concat();
        let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
        frame.write_all(TEXT).unwrap();
        vec![
            (Compression::UNCOMPRESSED, TEXT.to_vec()),
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(TEXT).unwrap()),
            (Compression::GZIP(GzipLevel::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(BrotliLevel::default()), brotli),
            (Compression::ZSTD(ZstdLevel::default()), zstd::bulk::compress(TEXT, 3).unwrap()),
            (Compression::LZ4_RAW, block.clone()),
            (Compression::LZ4, block.clone()),
            (Compression::LZ4, [sizes, block].concat()),
            (Compression::LZ4, frame.finish().unwrap()),
        ]
    }

    #[test]
    fn every_codec_gives_the_text_back() {
        for (codec, bytes) in compressed() {
            assert_eq!(decompress(codec, &bytes, TEXT.len()).as_deref(), Ok(TEXT), "{codec}");
        }
    }

    #[test]
    fn what_snappy_left_as_it_was_is_found_in_place() {
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        for size in [1, 30, 60, 61, 300, 65_536, 65_537, 200_000] {
            let bytes: Vec<u8> = (0..size).map(|_| noise()).collect();
            let compressed = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
            let ranges = literals(&compressed, size).unwrap();
            let found: Vec<u8> = ranges.into_iter().flat_map(|range| compressed[range].to_vec()).collect();
            assert!(found == bytes, "{size}");
            assert_eq!(literals(&compressed, size + 1), None);
            assert_eq!(literals(&compressed[..compressed.len() - 1], size), None, "{size}, cut");
        }
        assert_eq!(literals(&snap::raw::Encoder::new().compress_vec(TEXT).unwrap(), TEXT.len()), None);
        assert_eq!(literals(&[], 0), None);
        assert_eq!(literals(&[1, 0xfc, 0xff, 0xff, 0xff, 0xff], 1), None, "longer than any page");
    }

    #[test]
    fn another_size_is_an_error() {
        for (codec, bytes) in compressed() {
            for size in [0, 1, TEXT.len() - 1, TEXT.len() + 1, 10 * TEXT.len()] {
                assert!(decompress(codec, &bytes, size).is_err(), "{codec} to {size}");
            }
            if codec != Compression::UNCOMPRESSED {
                let cut = &bytes[..bytes.len() * 2 / 3];
                assert!(decompress(codec, cut, TEXT.len()).is_err(), "{codec}, cut");
            }
        }
    }
}
