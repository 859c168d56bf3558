//! A connection's socket, TCP or Unix.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Shutdown, SocketAddr},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

use super::connection::Connection;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A program with an address.
    Tcp(SocketAddr),
    /// A program on this machine, through a Unix socket, that has none.
    Unix,
}

/// The socket of one connection, which notes there whether the peer takes what is sent: here, below TLS and all that
/// holds bytes back, as only the kernel knows. What is sent to one who has gone raises no SIGPIPE, which would end a
/// program in C that does not ignore it: the standard library's `writev` does.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    connection: Option<Arc<Connection>>,
}

#[derive(Debug)]
enum Stream {
    /// Shared with those who ask the kernel how it gets on.
    Tcp(Arc<TcpStream>),
    Unix(UnixStream),
}

impl Remote {
    /// The one with this address, the same whether it came by IPv4 or by IPv4 within IPv6.
    pub(super) fn tcp(address: SocketAddr) -> Self {
        Self::Tcp(match address.ip().to_canonical() {
            IpAddr::V4(ip) => (ip, address.port()).into(),
            IpAddr::V6(_) => address,
        })
    }

    /// The address. A Unix socket has none.
    pub(super) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self { stream: Stream::Tcp(stream.into()), connection: None }
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Self {
        Self { stream: Stream::Unix(stream), connection: None }
    }
}

impl Socket {
    /// The same, which notes in `connection` how it gets on.
    pub(super) fn noting(self, connection: Arc<Connection>) -> Self {
        Self { connection: Some(connection), ..self }
    }

    /// The socket for as long as it is open, if the kernel has figures about it.
    pub(super) fn tcp(&self) -> Weak<TcpStream> {
        match &self.stream {
            Stream::Tcp(stream) => Arc::downgrade(stream),
            Stream::Unix(_) => Weak::new(),
        }
    }

    /// The first byte that the peer sends, which stays to be read; `None` if it is not to be had so.
    pub(super) async fn first_byte(&self) -> Option<u8> {
        let Stream::Tcp(stream) = &self.stream else { return None };
        let mut byte = [0];
        (stream.peek(&mut byte).await.ok()? == 1).then_some(byte[0])
    }

    /// Answers whatever is asked with this status, these fields (each with its line end) and this text for people; then
    /// the connection is over. Waits for the peer, which may never go.
    pub(super) async fn turn_away(mut self, status: &str, fields: &str, text: &str) -> io::Result<()> {
        let length = text.len() + 1;
        let answer = format!(
            "HTTP/1.1 {status}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\n\
             Cache-Control: no-store\r\n\
             Connection: close\r\n\
             {fields}\r\n\
             {text}\n"
        );
        self.write_all(answer.as_bytes()).await?;
        self.shutdown().await?;
        // Closing on a request that was not read would take the answer back.
        tokio::io::copy(&mut self.take(MAX_UNREAD), &mut tokio::io::sink()).await?;
        Ok(())
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_write_ready(cx),
            Stream::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Notes whether the peer reads.
    fn note<R>(&self, sent: Poll<R>) -> Poll<R> {
        match (&self.connection, &sent) {
            (Some(connection), Poll::Ready(_)) => connection.progress(),
            (Some(connection), Poll::Pending) => connection.waits(),
            (None, _) => {}
        }
        sent
    }

    /// Sends a part of `length` bytes. That fewer were taken means that the socket is full: no need to ask it again.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        length: usize,
        send: impl Fn(SockRef<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let mut taken = 0;
            let mut attempt = |socket| {
                taken = send(socket)?;
                if taken < length { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            };
            let sent = match &self.stream {
                Stream::Tcp(stream) => stream.try_io(Interest::WRITABLE, || attempt(SockRef::from(&**stream))),
                Stream::Unix(stream) => stream.try_io(Interest::WRITABLE, || attempt(SockRef::from(stream))),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken == 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Ok(taken)),
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => return Poll::Ready(Ok(taken)),
            }
        }
    }
}

fn poll_read(stream: &TcpStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read(buf.initialize_unfilled()) {
            Ok(read) => {
                buf.advance(read);
                return Poll::Ready(Ok(()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => poll_read(stream, cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.poll_send(cx, buf.len(), |socket| socket.send_with_flags(buf, libc::MSG_NOSIGNAL));
        self.note(sent)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A picture is one slice, which costs the kernel less as such.
        if let [one] = bufs {
            return self.poll_write(cx, one);
        }
        // More than the system takes at once are no reason to think the socket full.
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let sent = self.poll_send(cx, length, |socket| socket.send_vectored_with_flags(bufs, libc::MSG_NOSIGNAL));
        self.note(sent)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Poll::Ready(SockRef::from(&**stream).shutdown(Shutdown::Write)),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Slices of one `sendmsg`: IOV_MAX of Linux and most others.
const MAX_SLICES: usize = 1024;

/// Bytes that are read of a request that is turned away. Chosen: as many as a viewer may send beside its request.
const MAX_UNREAD: u64 = 64 * 1024;
