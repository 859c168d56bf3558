//! A Unix socket and its file.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
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
    /// The file is none of a socket, so not ours to replace.
    #[error("{} is a file and no socket; choose another path", .0.display())]
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

/// Listens at a path. The file that a dead server has left there is replaced.
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
