//! The listening socket and what is set on each connection.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Config, StartError};

/// The addresses that the host stands for, the most wanted first. May ask a name server.
pub(super) fn resolve(config: &Config) -> Result<Vec<SocketAddr>, StartError> {
    let Config { host, port, .. } = config;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (name, *port).to_socket_addrs();
    Ok(addresses.map_err(|source| StartError::Host { host: host.clone(), source })?.collect())
}

/// Binds the first of these addresses that can be had, and listens. Must be called within a runtime.
pub(super) fn bind(config: &Config, addresses: &[SocketAddr]) -> Result<TcpListener, StartError> {
    let Config { host, port, .. } = config;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match listen(*address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    let (host, port) = (host.clone(), *port);
    Err(match last.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { port },
        io::ErrorKind::AddrNotAvailable => StartError::Host { host, source: last },
        io::ErrorKind::PermissionDenied => StartError::PortForbidden { port },
        _ => StartError::Listen { host, port, source: last },
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
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

/// Waits until `resume`, then for a connection, and sets it up. May be given up at any time: a later call goes on.
pub(super) async fn accept(listener: &TcpListener, resume: Instant) -> io::Result<(TcpStream, SocketAddr)> {
    tokio::time::sleep_until(resume).await;
    let (stream, peer) = listener.accept().await?;
    set_up(&stream)?;
    Ok((stream, peer))
}

/// The pause after an accept that failed: doubled each time, so that running out of descriptors does not spin.
pub(super) fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    // A picture leaves in one write; Nagle's algorithm would hold back its tail.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))
}

/// Connections that may wait to be accepted. A backlog of 10 leaves 20 to 40 % of 1000 simultaneous viewers outside
/// (measured, docs/design.md); the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// Bytes that the kernel holds unsent for a viewer before it takes no more. Without it a viewer that reads a third of
/// the rate sees pictures 5 s old, with it 0.3 s (measured, docs/design.md).
const NOTSENT_LOWAT: u32 = 16 * 1024;

/// Idle time before a connection is probed, and between probes. Chosen: a viewer whose machine vanished is gone after
/// about five minutes, as the system sends nine probes.
const KEEPALIVE: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
