//! placeholder
#![allow(missing_docs)]
use crate::error::*; use crate::source::*; use std::path::Path;
#[derive(Clone, Debug, Default)] pub struct CsvOptions {}
pub struct CsvFile;
impl CsvFile { pub fn open(path: &Path, _o: &CsvOptions) -> Result<Self> { Err(Error::new(ErrorKind::Unsupported, "csv").at_path(path)) } }
impl Source for CsvFile { fn schema(&self) -> &arrow_schema::SchemaRef { loop {} } fn scan(&self, _: &ScanRequest) -> Result<Box<dyn Scan + '_>> { loop {} } fn inputs(&self) -> Vec<InputFile> { vec![] } fn summary(&self) -> Summary { Summary::default() } fn verify_unchanged(&self) -> Result<()> { Ok(()) } }
