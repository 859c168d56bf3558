//! A Unix socket and its file.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that we listen on. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: somebody may have put another file in its place.
    identity: (u64, u64),
}

/// Why nobody can listen at a path.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// A server answers there.
    #[error("another server listens at {}; choose another path", .0.display())]
    InUse(PathBuf),
    /// The file is not a socket, so not ours to replace.
    #[error("{} is there and no socket; choose another path", .0.display())]
    OtherFile(PathBuf),
    /// Not a path to begin with.
    #[error("host=unix: needs an absolute path, such as host=unix:/run/camera.sock")]
    NoPath,
    /// Anything else that the system answered.
    #[error("cannot listen at {}: {source}", path.display())]
    Listen {
        /// As it was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Listens at a path. The file that a dead server has left there is replaced, so it must be our [`turn`] there until it
/// listens: who is bound only, or has just taken the path, looks as dead as the one before.
pub(super) fn listen(path: &Path, backlog: i32) -> Result<(Socket, SocketFile), UnixError> {
    if !path.is_absolute() {
        return Err(UnixError::NoPath);
    }
    make_way(path)?;
    let listen = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(backlog)?;
        Ok((socket, SocketFile { path: path.to_owned(), identity: identity(path)? }))
    };
    listen().map_err(|source: io::Error| match source.kind() {
        // Somebody was faster.
        io::ErrorKind::AddrInUse => UnixError::InUse(path.to_owned()),
        _ => UnixError::Listen { path: path.to_owned(), source },
    })
}

/// Waits until no other process of ours makes way at this path; it is ours as long as the value lives. A lock on the
/// folder leaves no file behind. Where there is none to be had, as the folder cannot be read or somebody keeps it, all
/// goes on without: that a dead server's file is taken for the second time in the same moment is then left to chance.
pub(super) fn turn(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Takes away the file of a server that has gone.
fn make_way(path: &Path) -> Result<(), UnixError> {
    let error = |source| UnixError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(other) => return Err(error(other)),
        Ok(about) if !about.file_type().is_socket() => return Err(UnixError::OtherFile(path.to_owned())),
        Ok(_) => {}
    }
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A server whose backlog is full would keep us waiting.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    match connect() {
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(error),
        Err(other) if other.kind() != io::ErrorKind::WouldBlock => Err(error(other)),
        _ => Err(UnixError::InUse(path.to_owned())),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::symlink_metadata(path)?;
    Ok((about.dev(), about.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Nothing depends on it: the next server replaces what stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Pause between two tries to have the lock, and how many. Chosen: making way takes less than one, and starting waits
/// no longer than a second for somebody who locks the folder for something else.
const LOCK_PAUSE: Duration = Duration::from_millis(10);
const LOCK_TRIES: u32 = 100;

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::{UnixListener, UnixStream},
        sync::Barrier,
    };

    use super::*;

    /// Both found it dead, and the slower one took away the file of the faster one.
    #[test]
    fn of_several_that_find_the_file_of_a_dead_server_one_replaces_it() {
        let path = std::env::temp_dir().join(format!("mjpeghttp-unix-{}.sock", std::process::id()));
        for round in 0..50 {
            drop(UnixListener::bind(&path).expect("a socket"));
            let begin = Barrier::new(4);
            let outcomes: Vec<_> = thread::scope(|scope| {
                let listen = || {
                    begin.wait();
                    let _turn = turn(&path);
                    listen(&path, 16)
                };
                let all: Vec<_> = (0..4).map(|_| scope.spawn(listen)).collect();
                all.into_iter().map(|one| one.join().expect("it does not panic")).collect()
            });
            let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(UnixError::InUse(_)))).count();
            assert_eq!(refused, 3, "in round {round}: {outcomes:?}");
            UnixStream::connect(&path).expect("the one that listens is found");
        }
    }
}
