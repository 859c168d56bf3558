//! The one tokio runtime of the process, made on first use.

use std::io;

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime that all servers of the process share. It lives until the process ends, so that stopping an element
/// never has to end it.
///
/// # Errors
///
/// The system has no thread or descriptor left for it; a later call tries again.
pub fn handle() -> io::Result<Handle> {
    static RUNTIME: OnceCell<Runtime> = OnceCell::new();
    RUNTIME
        .get_or_try_init(|| {
            Builder::new_multi_thread().worker_threads(WORKERS).thread_name("mjpeghttp").enable_all().build()
        })
        .map(|runtime| runtime.handle().clone())
}

/// Threads that serve viewers. One serves 1000 viewers at 30 pictures a second (`benches/serve`,
/// docs/design.md); more only add the cost of handing tasks from one to the other.
const WORKERS: usize = 1;
