//! Decompression of pages: exactly as many bytes as their headers declare, or an error.

use std::io::{Cursor, Read};

use parquet::basic::Compression;

/// What is kept from page to page.
#[derive(Default)]
pub(super) struct Decompressor {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    /// Appends what `input` decompresses to, which must be `size` bytes, to `output`.
    ///
    /// # Errors
    /// What the codec says, or that the sizes differ.
    pub(super) fn decompress(
        &mut self,
        codec: Compression,
        input: &[u8],
        size: usize,
        output: &mut Vec<u8>,
    ) -> Result<(), String> {
        let start = output.len();
        match codec {
            Compression::UNCOMPRESSED => output.extend_from_slice(input),
            Compression::SNAPPY => {
                let declared = snap::raw::decompress_len(input).map_err(|e| e.to_string())?;
                if declared != size {
                    return Err(other_size(declared, size));
                }
                output.resize(start + size, 0);
                snap::raw::Decoder::new()
                    .decompress(input, &mut output[start..])
                    .map_err(|e| e.to_string())?;
            }
            Compression::GZIP(_) => read_all(flate2::read::MultiGzDecoder::new(input), size, output)?,
            Compression::BROTLI(_) => {
                read_all(brotli::Decompressor::new(input, size.clamp(1, 1 << 16)), size, output)?;
            }
            Compression::ZSTD(_) => {
                // Without clearing fresh memory first, and without a new context for every page.
                let decompressor = match &mut self.zstd {
                    Some(decompressor) => decompressor,
                    none => none.insert(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
                };
                output.reserve_exact(size);
                let mut output = Cursor::new(&mut *output);
                output.set_position(start as u64);
                decompressor.decompress_to_buffer(input, &mut output).map_err(|e| e.to_string())?;
            }
            Compression::LZ4_RAW => lz4_block(input, size, output)?,
            Compression::LZ4 => lz4(input, size, output)?,
            other => return Err(format!("{other} is not supported")),
        }
        match output.len() - start {
            written if written == size => Ok(()),
            written => Err(other_size(written, size)),
        }
    }
}

fn other_size(found: usize, declared: usize) -> String {
    format!("it decompresses to {found} bytes, its header declares {declared}")
}

/// Reads to the end, but not far beyond `size` bytes.
fn read_all(input: impl Read, size: usize, output: &mut Vec<u8>) -> Result<(), String> {
    output.reserve(size);
    input.take(size as u64 + 1).read_to_end(output).map(drop).map_err(|e| e.to_string())
}

fn lz4_block(input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), String> {
    let start = output.len();
    output.resize(start + size, 0);
    let written = lz4_flex::block::decompress_into(input, &mut output[start..]).map_err(|e| e.to_string())?;
    output.truncate(start + written);
    Ok(())
}

/// A way to append what an input decompresses to.
type Way = fn(&[u8], usize, &mut Vec<u8>) -> Result<(), String>;

/// The codec that the format calls LZ4. Hadoop puts lengths before every block; old writers of other families
/// wrote frames, or a bare block.
fn lz4(input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), String> {
    let start = output.len();
    let ways: [Way; 3] = [
        lz4_hadoop,
        |input, size, output| read_all(lz4_flex::frame::FrameDecoder::new(input), size, output),
        lz4_block,
    ];
    let mut outcome = Ok(());
    for way in ways {
        output.truncate(start);
        outcome = way(input, size, output);
        if outcome.is_ok() && output.len() == start + size {
            return Ok(());
        }
    }
    outcome
}

/// Blocks, each behind its sizes: decompressed and compressed, the highest byte first.
fn lz4_hadoop(input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), String> {
    let (mut rest, end) = (input, output.len() + size);
    while !rest.is_empty() {
        let malformed = || "not a block of LZ4 as Hadoop writes it".to_owned();
        let (sizes, after) = rest.split_first_chunk::<8>().ok_or_else(malformed)?;
        let [a, b, c, d, e, f, g, h] = *sizes;
        let (decompressed, compressed) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        let (block, after) = after.split_at_checked(compressed as usize).ok_or_else(malformed)?;
        let before = output.len();
        if decompressed as usize > end - before {
            return Err(malformed());
        }
        lz4_block(block, decompressed as usize, output)?;
        if output.len() != before + decompressed as usize {
            return Err(malformed());
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompress(codec: Compression, input: &[u8], size: usize, output: &mut Vec<u8>) -> Result<(), String> {
        Decompressor::default().decompress(codec, input, size, output)
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
            let mut output = b"before ".to_vec();
            assert_eq!(decompress(codec, &bytes, TEXT.len(), &mut output), Ok(()), "{codec}");
            assert_eq!(output, [b"before ", TEXT].concat(), "{codec}");
        }
    }

    #[test]
    fn another_size_is_an_error() {
        for (codec, bytes) in compressed() {
            for size in [0, 1, TEXT.len() - 1, TEXT.len() + 1, 10 * TEXT.len()] {
                assert!(decompress(codec, &bytes, size, &mut Vec::new()).is_err(), "{codec} to {size}");
            }
            if codec != Compression::UNCOMPRESSED {
                let cut = &bytes[..bytes.len() * 2 / 3];
                assert!(decompress(codec, cut, TEXT.len(), &mut Vec::new()).is_err(), "{codec}, cut");
            }
        }
    }
}
