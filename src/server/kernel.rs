//! What the kernel knows of a TCP connection (tcp(7), `TCP_INFO`).

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd as _},
    time::Duration,
};

/// What the kernel knows of the way to a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFigures {
    /// Time for a byte to be acknowledged, smoothed (RFC 6298).
    pub rtt: Duration,
    /// Bytes that the kernel has taken and not sent yet.
    pub unsent: u32,
}

/// Asks the kernel. Does not block.
pub(super) fn tcp_figures(socket: impl AsFd) -> io::Result<TcpFigures> {
    // SAFETY: it has only integers, of which zero is a value. An older kernel fills in less of it.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).expect("it has some hundred bytes");
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel writes at most `length` bytes.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(TcpFigures { rtt: Duration::from_micros(info.tcpi_rtt.into()), unsent: info.tcpi_notsent_bytes })
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn what_a_peer_does_not_take_is_unsent() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut stream = TcpStream::connect(listener.local_addr().expect("an address")).expect("somebody listens");
        let figures = tcp_figures(&stream).expect("it is TCP");
        assert!(figures.unsent == 0 && figures.rtt > Duration::ZERO, "{figures:?}");
        stream.set_nonblocking(true).expect("a socket");
        while stream.write(&[0; 65536]).is_ok() {}
        assert!(tcp_figures(&stream).expect("it is TCP").unsent > 0);
    }

    #[test]
    fn what_is_no_tcp_is_an_error() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        assert!(tcp_figures(&one).is_err());
    }
}
