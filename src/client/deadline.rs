//! A limit for all of connecting. GIO's own is for each wait: a peer that sends a byte now and then passes every one of
//! them, and each address of a host begins it anew.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use gio::prelude::*;

/// Does what may wait, with a cancellable that is cancelled when `cancellable` is, or after `limit`, if there is one.
///
/// # Errors
///
/// That of `work`; [`gio::IOErrorEnum::TimedOut`] where it failed after the limit.
pub(super) fn within<T>(
    limit: Option<Duration>,
    cancellable: &gio::Cancellable,
    work: impl FnOnce(&gio::Cancellable) -> Result<T, glib::Error>,
) -> Result<T, glib::Error> {
    let Some(limit) = limit else { return work(cancellable) };
    let limited = gio::Cancellable::new();
    let chained = limited.clone();
    let chain = cancellable.connect_cancelled(move |_| chained.cancel());
    let result = thread::scope(|scope| {
        // Dropped when the work is done, also by a panic: that ends the thread.
        let (_working, is_done) = mpsc::channel::<()>();
        let limited = &limited;
        let watch = move || {
            if is_done.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                limited.cancel();
            }
        };
        let watching = thread::Builder::new().name("connect-timeout".into()).spawn_scoped(scope, watch);
        watching.map_err(|error| failed(gio::IOErrorEnum::Failed, &format!("no thread to watch the time: {error}")))?;
        work(limited)
    });
    if let Some(chain) = chain {
        cancellable.disconnect_cancelled(chain);
    }
    if result.is_err() && limited.is_cancelled() && !cancellable.is_cancelled() {
        return Err(failed(gio::IOErrorEnum::TimedOut, &format!("timed out after {} s", limit.as_secs_f64())));
    }
    result
}

fn failed(kind: gio::IOErrorEnum, message: &str) -> glib::Error {
    glib::Error::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// Waits until it is cancelled.
    fn wait(cancellable: &gio::Cancellable) -> Result<(), glib::Error> {
        let (cancelled, is_cancelled) = mpsc::channel();
        let handler = cancellable.connect_cancelled(move |_| {
            let _ = cancelled.send(());
        });
        let _ = is_cancelled.recv();
        handler.into_iter().for_each(|handler| cancellable.disconnect_cancelled(handler));
        cancellable.set_error_if_cancelled()
    }

    #[test]
    fn work_that_takes_too_long_is_timed_out() {
        let error = within(Some(Duration::from_nanos(1)), &gio::Cancellable::new(), wait).expect_err("nobody ends it");
        assert!(error.matches(gio::IOErrorEnum::TimedOut) && error.message() == "timed out after 0.000000001 s");
    }

    #[test]
    fn cancelling_ends_the_work_and_is_no_timeout() {
        for limit in [Some(LONG), None] {
            let cancellable = gio::Cancellable::new();
            let result = thread::scope(|scope| {
                scope.spawn(|| cancellable.cancel());
                within(limit, &cancellable, wait)
            });
            assert!(result.is_err_and(|error| error.matches(gio::IOErrorEnum::Cancelled)));
            let again = within(limit, &cancellable, wait);
            assert!(again.is_err_and(|error| error.matches(gio::IOErrorEnum::Cancelled)), "it was cancelled before");
        }
    }

    #[test]
    fn work_that_is_done_in_time_gives_its_result() {
        let cancellable = gio::Cancellable::new();
        assert!(within(Some(LONG), &cancellable, |_| Ok(1)).is_ok_and(|result| result == 1));
        let refused = || failed(gio::IOErrorEnum::ConnectionRefused, "refused");
        let result = within(Some(LONG), &cancellable, |_| Err::<(), _>(refused()));
        assert!(result.is_err_and(|error| error.matches(gio::IOErrorEnum::ConnectionRefused)));
    }
}
