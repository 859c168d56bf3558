//! The connections of viewers: plain, encrypted, or encrypted with several viewers by HTTP/2.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use super::{
    http2::Frames,
    pictures::{Arrival, Pictures},
    secure,
};

/// How viewers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Plain,
    Tls,
    /// Within TLS.
    Http2,
}

/// A connection of one viewer, or of several.
pub struct Connection {
    pub socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    framing: Framing,
}

enum Framing {
    Http1(Pictures),
    Http2(Frames),
}

const REQUEST: &[u8] = b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n";

/// Viewers by one connection of HTTP/2. Chosen: a page that shows ten cameras.
const TOGETHER: usize = 10;

/// Most bytes that are decrypted at a time: what a record holds.
const RECORD: usize = 16 * 1024;

impl Protocol {
    /// The one that a contender of this name speaks.
    pub fn of(server: &str) -> Self {
        match server.rsplit_once('-') {
            Some((_, "tls")) => Self::Tls,
            Some((_, "h2")) => Self::Http2,
            _ => Self::Plain,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Http2 => "h2",
        }
    }

    pub fn from_name(name: &str) -> Result<Self> {
        [Self::Plain, Self::Tls, Self::Http2].into_iter().find(|known| known.name() == name).context("a protocol")
    }
}

/// Connections for so many viewers, who have asked.
pub fn connect(port: u16, protocol: Protocol, viewers: usize) -> Result<Vec<Connection>> {
    let config = match protocol {
        Protocol::Plain => None,
        Protocol::Tls => Some(secure::client(b"http/1.1")?),
        Protocol::Http2 => Some(secure::client(b"h2")?),
    };
    let together = if protocol == Protocol::Http2 { TOGETHER } else { 1 };
    let each = (0..viewers).step_by(together).map(|first| together.min(viewers - first));
    each.map(|viewers| Connection::open(port, protocol, config.clone(), viewers)).collect()
}

impl Connection {
    fn open(port: u16, protocol: Protocol, config: Option<Arc<ClientConfig>>, viewers: usize) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut socket = std::net::TcpStream::connect(address)?;
        let (framing, request) = match protocol {
            Protocol::Plain | Protocol::Tls => (Framing::Http1(Pictures::default()), REQUEST.to_vec()),
            Protocol::Http2 => {
                let (frames, request) = Frames::open(viewers);
                (Framing::Http2(frames), request)
            }
        };
        let tls = match config {
            None => {
                socket.write_all(&request)?;
                None
            }
            Some(config) => {
                let mut tls = ClientConnection::new(config, ServerName::IpAddress(address.ip().into()))?;
                while tls.is_handshaking() {
                    tls.complete_io(&mut socket)?;
                }
                ensure!(tls.alpn_protocol().is_some() || protocol == Protocol::Tls, "the server speaks {protocol:?}");
                tls.writer().write_all(&request)?;
                while tls.wants_write() {
                    tls.write_tls(&mut socket)?;
                }
                Some(Box::new(tls))
            }
        };
        socket.set_nonblocking(true)?;
        Ok(Self { socket: TcpStream::from_std(socket), tls, framing })
    }

    /// Reads all that there is.
    pub fn read_all(&mut self, space: &mut [u8], arrivals: &mut Vec<Arrival>) -> Result<()> {
        // A read that does not fill the space has emptied the socket: no further one is needed to learn that.
        while self.read_some(space, arrivals)? == space.len() {}
        Ok(())
    }

    /// Reads once; how many bytes came.
    pub fn read_some(&mut self, space: &mut [u8], arrivals: &mut Vec<Arrival>) -> Result<usize> {
        let read = match self.socket.read(space) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let Self { socket, tls, framing } = self;
        let Some(tls) = tls else {
            framing.take(&space[..read], arrivals)?;
            return Ok(read);
        };
        let mut encrypted = &space[..read];
        while !encrypted.is_empty() {
            tls.read_tls(&mut encrypted)?;
            tls.process_new_packets()?;
            let mut record = [0; RECORD];
            while let Some(length) = decrypted(tls.reader().read(&mut record))? {
                framing.take(&record[..length], arrivals)?;
            }
        }
        if let Framing::Http2(frames) = framing {
            tls.writer().write_all(&frames.answers())?;
        }
        while tls.wants_write() {
            match tls.write_tls(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => written?,
            };
        }
        Ok(read)
    }
}

/// What a read of decrypted bytes gave; `None` when there are none for now.
fn decrypted(read: io::Result<usize>) -> Result<Option<usize>> {
    match read {
        Ok(0) => bail!("the server closed a connection"),
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Framing {
    fn take(&mut self, bytes: &[u8], arrivals: &mut Vec<Arrival>) -> Result<()> {
        match self {
            Self::Http1(pictures) => pictures.take(bytes, arrivals),
            Self::Http2(frames) => frames.take(bytes, arrivals),
        }
    }
}
