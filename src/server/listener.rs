//! The listening socket and what is set on each connection.

use std::{io, net::SocketAddr, os::fd::OwnedFd, time::Duration};

use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener},
    time::Instant,
};

use super::{
    StartError,
    endpoint::{Address, Candidates},
    kernel,
    socket::{Remote, Socket},
    unix::{self, SocketFile},
};

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix {
        /// Dropped before the listener: a socket file that nobody listens at looks dead, and another server would take
        /// the path.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

/// Binds the first of these that can be had, and listens. Must be called within a runtime.
pub(super) fn bind(candidates: Candidates) -> Result<(Listener, Address), StartError> {
    match candidates {
        Candidates::Tcp { host, addresses } => bind_tcp(host, &addresses),
        Candidates::Unix(path) => {
            let (socket, file) = unix::listen(&path, BACKLOG)?;
            let address = Address::Unix(path);
            let listener = UnixListener::from_std(socket.into()).map_err(|source| failed(&address, source))?;
            Ok((Listener::Unix { _file: Some(file), listener }, address))
        }
        Candidates::Passed(socket, address) => {
            let listener = adopt(socket, &address).map_err(|source| failed(&address, source))?;
            Ok((listener, address))
        }
    }
}

fn bind_tcp(host: String, addresses: &[SocketAddr]) -> Result<(Listener, Address), StartError> {
    let missing = |source| StartError::Host { host: host.clone(), source };
    let mut last = missing(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        let listening = listen(*address).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match listening {
            Ok((address, listener)) => return Ok((Listener::Tcp(listener), Address::Tcp(address))),
            Err(source) if source.kind() == io::ErrorKind::AddrNotAvailable => last = missing(source),
            Err(source) => last = failed(&Address::Tcp(*address), source),
        }
    }
    Err(last)
}

fn failed(address: &Address, source: io::Error) -> StartError {
    let port = address.port();
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { port },
        io::ErrorKind::PermissionDenied => StartError::PortForbidden { port },
        _ => StartError::Listen { address: address.clone(), source },
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A port whose last connections linger in TIME_WAIT is free to listen on again.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Takes over a socket that listens already.
fn adopt(socket: OwnedFd, address: &Address) -> io::Result<Listener> {
    match address {
        Address::Tcp(_) => Ok(Listener::Tcp(TcpListener::from_std(socket.into())?)),
        // Its file belongs to who made it.
        Address::Unix(_) => Ok(Listener::Unix { _file: None, listener: UnixListener::from_std(socket.into())? }),
    }
}

impl Listener {
    /// Waits until `resume`, then for a connection, and sets it up as far as the system lets us. May be given up at any
    /// time: a later call goes on.
    pub(super) async fn accept(&self, resume: Instant) -> io::Result<(Socket, Remote)> {
        tokio::time::sleep_until(resume).await;
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                set_up(&stream);
                Ok((stream.into(), Remote::tcp(peer)))
            }
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                // Unix sockets have no NOTSENT_LOWAT; their whole queue is what is not taken yet.
                let _ = SockRef::from(&stream).set_send_buffer_size(UNIX_SEND_BUFFER);
                Ok((stream.into(), Remote::Unix))
            }
        }
    }
}

/// The pause after an accept that failed: doubled each time, so that running out of descriptors does not spin.
pub(super) fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE)
}

/// What makes pictures fresh, each as far as the system knows it: without any of it they still come.
fn set_up(stream: &TcpStream) {
    // A picture leaves in one write; Nagle's algorithm would hold back its tail.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(NOTSENT_LOWAT);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    let _ = kernel::limit_resending(stream, MAX_RESEND_TIME);
}

/// Connections that may wait to be accepted. A backlog of 10 leaves 20 to 40 % of 1000 simultaneous viewers outside
/// (measured, docs/design.md); the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Bytes that the kernel holds unsent for a viewer before it takes no more. Without it a viewer that reads a third of
/// the rate sees pictures 5 s old, with it 0.3 s (measured, docs/design.md).
const NOTSENT_LOWAT: u32 = 16 * 1024;

/// Bytes that the kernel holds for a program at the other end of a Unix socket; Linux doubles it for its own needs.
/// Chosen: little more than a picture, and what a web server in front takes in one read is less.
const UNIX_SEND_BUFFER: usize = 64 * 1024;

/// Idle time before a connection is probed, and between probes. Chosen: a viewer whose machine vanished is gone after
/// about five minutes, as the system sends nine probes.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Longest time until the kernel tries again a link that is down. By itself it waits as long again as the link was down
/// already: after 5 s without it, pictures came again up to 2.6 s late (tests/faults.rs). Chosen: fresh pictures two
/// seconds after the link is back, and above the round trip of nearly any link. A viewer whose host answers nothing
/// counts as gone after fifteen such waits, about 20 s.
const MAX_RESEND_TIME: Duration = Duration::from_millis(1500);

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// In between a second server took the path, and the first one took its file away.
    #[tokio::test]
    async fn nobody_finds_the_file_of_a_server_that_has_stopped_listening() {
        let path = std::env::temp_dir().join(format!("mjpeghttp-listener-{}.sock", std::process::id()));
        for _ in 0..200 {
            let (listener, _) = bind(Candidates::Unix(path.clone())).expect("a socket");
            let asking = path.clone();
            let (sender, asked) = std::sync::mpsc::channel();
            let asking = std::thread::spawn(move || {
                loop {
                    match UnixStream::connect(&asking) {
                        // Only the first is waited for.
                        Ok(_) => drop(sender.send(())),
                        Err(error) => return error.kind(),
                    }
                }
            });
            asked.recv().expect("somebody listens");
            drop(listener);
            assert_eq!(asking.join().expect("it does not panic"), io::ErrorKind::NotFound);
        }
    }
}
