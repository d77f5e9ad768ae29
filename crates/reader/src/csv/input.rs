//! The bytes of a file, decompressed. What a file is compressed with is told by its first bytes; its name
//! says nothing.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::error::{Error, ErrorKind, Result};
use crate::source::InputFile;
use crate::storage;
use crate::storage::ahead::ReadAhead;
use crate::storage::buffers::{Buffer, Buffers};
use crate::storage::in_order::InOrder;
use crate::storage::shared_file::SharedFile;

/// Compressed bytes read at a time.
const COMPRESSED_BUFFER_BYTES: usize = 128 << 10;

/// How the text is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

/// A file as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Input {
    file: InputFile,
    encoding: Encoding,
}

impl Input {
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Request`] for anything but a regular file: opening a pipe could
    /// wait forever, and it cannot be read twice.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if found.is_dir() {
            return Err(Error::new(ErrorKind::Request, "this is a directory, not a CSV file"));
        }
        if !found.is_file() {
            return Err(Error::new(ErrorKind::Request, "this is not a regular file")
                .with_help("write what comes from a pipe or a device to a file first"));
        }
        let mut magic = Vec::new();
        let file = storage::open(path)?;
        let found = InputFile::found(path, &file.metadata().map_err(|e| Error::io(path, e))?);
        file.take(4).read_to_end(&mut magic).map_err(|e| Error::io(path, e))?;
        Ok(Self { file: found, encoding: Encoding::of(&magic) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(crate) fn file(&self) -> &InputFile {
        &self.file
    }

    /// Fails when the file is no longer the one that was opened.
    pub(crate) fn verify_unchanged(&self) -> Result<()> {
        self.file.verify_unchanged()
    }

    /// The file for several threads at once, and memory for what they read; `None` if it is compressed.
    pub(super) fn shared(&self, ahead: &ReadAhead) -> Result<Option<(SharedFile, Arc<Buffers>)>> {
        if self.encoding != Encoding::Plain {
            return Ok(None);
        }
        Ok(Some((ahead.shared(self.file.open_unchanged()?), Arc::clone(ahead.buffers()))))
    }

    /// A reader of the text behind its first `skip` bytes, which adds to `count` what it reads of the file.
    pub(crate) fn reader(&self, skip: u64, count: &Arc<AtomicU64>, ahead: &ReadAhead) -> Result<Reader> {
        let path = self.path();
        let file = self.file.open_unchanged()?;
        let buffers = Arc::clone(ahead.buffers());
        let start = if self.encoding == Encoding::Plain { skip } else { 0 };
        let file = Counted { file: ahead.in_order(file, start), count: Arc::clone(count) };
        if self.encoding == Encoding::Plain {
            return Ok(Reader { bytes: Box::new(file), encoding: self.encoding, buffers });
        }
        let compressed = BufReader::with_capacity(COMPRESSED_BUFFER_BYTES, file);
        let bytes: Box<dyn Read + Send> = match self.encoding {
            Encoding::Gzip => Box::new(MultiGzDecoder::new(compressed)),
            _ => Box::new(zstd_decoder(compressed).map_err(|e| Error::io(path, e))?),
        };
        let mut reader = Reader { bytes, encoding: self.encoding, buffers };
        reader.skip(skip)?;
        Ok(reader)
    }
}

impl Encoding {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The second is a frame without data, which parallel compressors put first.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Refuses windows above 128 MiB, by the library's default.
fn zstd_decoder<R: BufRead>(compressed: R) -> io::Result<ZstdDecoder<'static, R>> {
    ZstdDecoder::with_buffer(compressed)
}

/// A file that counts the bytes that are read.
struct Counted {
    file: InOrder,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Reads text, whatever it is stored as.
pub(crate) struct Reader {
    bytes: Box<dyn Read + Send>,
    encoding: Encoding,
    buffers: Arc<Buffers>,
}

impl Reader {
    /// Memory for `length` bytes of text.
    pub(super) fn buffer(&self, length: usize) -> Buffer {
        self.buffers.take(length)
    }

    /// Fills `text`; the number of bytes is smaller only at the end of the file.
    pub(super) fn read(&mut self, text: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < text.len() {
            match self.bytes.read(&mut text[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read_error(e, self.encoding)),
            }
        }
        Ok(filled)
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let encoding = self.encoding;
        let skipped = io::copy(&mut (&mut self.bytes).take(count), &mut io::sink());
        skipped.map(drop).map_err(|e| read_error(e, encoding))
    }

    #[cfg(test)]
    pub(super) fn of_text(bytes: impl Read + Send + 'static) -> Self {
        Self { bytes: Box::new(bytes), encoding: Encoding::Plain, buffers: Arc::default() }
    }
}

/// Tells a failing disk, which has an error number, from a decoder that cannot go on.
fn read_error(error: io::Error, encoding: Encoding) -> Error {
    let name = match encoding {
        Encoding::Gzip if error.raw_os_error().is_none() => "gzip",
        Encoding::Zstd if error.raw_os_error().is_none() => "Zstandard",
        _ => return Error::new(ErrorKind::Io, error.to_string()).caused_by(error),
    };
    let message = if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("the {name} data end too early: the file is truncated")
    } else {
        format!("the {name} data are damaged: {error}")
    };
    Error::new(ErrorKind::Malformed, message).caused_by(error)
}
