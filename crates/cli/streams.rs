//! Standard output, and whether there is one.

use std::io::{Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

/// What messages call it.
const NAME: &str = "standard output";

/// Whether standard output was closed when the process started, as by `>&-`.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Standard output for a result.
///
/// # Errors
/// When there is none: what would be written to it would vanish without a word.
pub(crate) fn stdout() -> Result<Stdout> {
    if CLOSED.load(Ordering::Relaxed) {
        bail!("{NAME}: cannot write: it is closed");
    }
    Ok(std::io::stdout())
}

/// The result, on stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = stdout()?.lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.with_context(|| format!("{NAME}: cannot write"))
}

/// Rust opens `/dev/null` in the place of standard streams that are closed, before `main` begins. Only a function that the loader
/// calls before that can tell; to name one takes an attribute that counts as unsafe, since nobody checks what it names.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "it names a function that runs before Rust's own start, and needs nothing of it"
)]
mod before_main {
    use std::os::fd::AsFd;
    use std::sync::atomic::Ordering;

    /// What the system calls a descriptor that is closed, on every Unix.
    const EBADF: i32 = 9;

    #[used]
    #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
    #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        let copy = std::io::stdout().as_fd().try_clone_to_owned();
        let closed = copy.is_err_and(|error| error.raw_os_error() == Some(EBADF));
        super::CLOSED.store(closed, Ordering::Relaxed);
    }
}
