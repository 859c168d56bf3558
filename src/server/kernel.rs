//! What the kernel knows of a TCP connection (tcp(7), `TCP_INFO`), and an option that the libraries do not know.

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

/// Lets the kernel wait no longer than that before it sends again what was not acknowledged. Returns whether it can be
/// told; Linux can since 6.15, and takes a second at least.
pub(super) fn limit_resending(socket: impl AsFd, longest: Duration) -> io::Result<bool> {
    let milliseconds = libc::c_int::try_from(longest.as_millis()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as it is borrowed, and the kernel reads one integer.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_RTO_MAX_MS,
            (&raw const milliseconds).cast(),
            libc::socklen_t::try_from(size_of_val(&milliseconds)).expect("it has four bytes"),
        )
    };
    match answer {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(false),
            error => Err(error),
        },
    }
}

/// Of linux/tcp.h; the libc crate does not have it yet.
const TCP_RTO_MAX_MS: libc::c_int = 44;

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
        path::Path,
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
    fn a_kernel_that_can_be_told_is_told_when_to_send_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let told = limit_resending(&listener, Duration::from_secs(2)).expect("it is TCP");
        // The option came with this file.
        assert_eq!(told, Path::new("/proc/sys/net/ipv4/tcp_rto_max_ms").exists());
        if told {
            assert!(limit_resending(&listener, Duration::from_millis(999)).is_err(), "it means milliseconds");
        }
    }

    #[test]
    fn what_is_no_tcp_is_an_error() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        assert!(tcp_figures(&one).is_err());
    }
}
