//! Where a server listens: what `host` and `port` mean.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use super::{StartError, activation::Activation};

/// What the user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP port on the interfaces of a name or address.
    Tcp {
        /// As it was given.
        host: String,
        /// As it was given; 0 is any free one.
        port: u16,
    },
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A socket that systemd listens on for us: the one of this name, or the only one.
    Passed(Option<String>),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At a TCP port.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

/// What an endpoint stands for, before anybody listens there.
pub(super) enum Candidates {
    /// Any of the addresses that a host stands for, the most wanted first.
    Tcp {
        host: String,
        addresses: Vec<SocketAddr>,
    },
    Unix(PathBuf),
    /// A socket that listens already.
    Passed(OwnedFd, Address),
}

impl Endpoint {
    /// Reads the properties `host` and `port`.
    pub fn new(host: &str, port: u16) -> Self {
        if let Some(path) = host.strip_prefix("unix:") {
            return Self::Unix(path.into());
        }
        match host.strip_prefix("systemd") {
            Some("") => Self::Passed(None),
            Some(name) if name.starts_with(':') => Self::Passed(Some(name[1..].to_owned())),
            _ => Self::Tcp { host: host.to_owned(), port },
        }
    }

    /// What to set for another place, where that is easily said: it ends a sentence.
    pub(super) fn other_place(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => ", or port=0 for any free port",
            Self::Unix(_) => ", or another path in host",
            Self::Passed(_) => "",
        }
    }

    /// What it stands for. May ask a name server.
    pub(super) fn candidates(&self, activation: &Activation) -> Result<Candidates, StartError> {
        match self {
            Self::Tcp { host, port } => {
                let name = host.trim_start_matches('[').trim_end_matches(']');
                let addresses = (name, *port).to_socket_addrs();
                let addresses = addresses.map_err(|source| StartError::Host { host: host.clone(), source })?;
                Ok(Candidates::Tcp { host: host.clone(), addresses: addresses.collect() })
            }
            Self::Unix(path) => Ok(Candidates::Unix(path.clone())),
            Self::Passed(name) => {
                let (socket, address) = activation.socket(name.as_deref())?;
                Ok(Candidates::Passed(socket, address))
            }
        }
    }
}

impl Candidates {
    /// Whether a server at this address is one of those meant.
    pub(super) fn contains(&self, address: &Address) -> bool {
        match (self, address) {
            (Self::Tcp { addresses, .. }, Address::Tcp(address)) => addresses.contains(address),
            (Self::Unix(path), Address::Unix(other)) => path == other,
            (Self::Passed(_, passed), other) => passed == other,
            _ => false,
        }
    }

    /// Whether a server at this address keeps another from one of those meant: the same port at the same address, or at
    /// all addresses of the machine on either side.
    pub(super) fn overlaps(&self, address: &Address) -> bool {
        let (Self::Tcp { addresses, .. }, Address::Tcp(other)) = (self, address) else { return false };
        let meets =
            |own: &SocketAddr| own.ip() == other.ip() || own.ip().is_unspecified() || other.ip().is_unspecified();
        addresses.iter().any(|own| own.port() == other.port() && meets(own))
    }

    /// Where the file of a socket is to be made.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            _ => None,
        }
    }
}

impl Address {
    /// Its port; 0 where there is none.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Unix(_) => 0,
        }
    }

    /// Whether other machines may reach it.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }

    /// How a program on this machine asks for this path, which begins with a slash. For a Unix socket that is how
    /// nginx writes it.
    pub(super) fn url(&self, scheme: &str, path: &str) -> String {
        match self {
            Self::Tcp(address) => {
                let mut address = *address;
                if address.ip().is_unspecified() {
                    let here = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
                    address.set_ip(here);
                }
                format!("{scheme}://{address}{path}")
            }
            Self::Unix(file) => format!("{scheme}://unix:{}:{path}", file.display()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<&socket2::SockAddr> for Address {
    type Error = io::Error;

    fn try_from(address: &socket2::SockAddr) -> io::Result<Self> {
        if let Some(address) = address.as_socket() {
            return Ok(Self::Tcp(address));
        }
        let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self::Unix(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_overlap_where_one_keeps_the_port_from_the_other() {
        let overlaps = |wanted: &str, taken: &str| {
            let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
            let wanted = Candidates::Tcp { host: String::new(), addresses: vec![address(wanted)] };
            wanted.overlaps(&Address::Tcp(address(taken)))
        };
        for (wanted, taken) in
            [("127.0.0.1:80", "127.0.0.1:80"), ("0.0.0.0:80", "127.0.0.1:80"), ("192.0.2.1:80", "[::]:80")]
        {
            assert!(overlaps(wanted, taken), "{wanted} {taken}");
        }
        for (wanted, taken) in [("127.0.0.1:80", "127.0.0.1:81"), ("192.0.2.1:80", "127.0.0.1:80")] {
            assert!(!overlaps(wanted, taken), "{wanted} {taken}");
        }
    }

    #[test]
    fn a_host_may_be_a_path_or_a_passed_socket() {
        let tcp = |host: &str| Endpoint::Tcp { host: host.to_owned(), port: 80 };
        for (host, endpoint) in [
            ("127.0.0.1", tcp("127.0.0.1")),
            ("[::]", tcp("[::]")),
            ("unix:/run/camera.sock", Endpoint::Unix("/run/camera.sock".into())),
            ("systemd", Endpoint::Passed(None)),
            ("systemd:door", Endpoint::Passed(Some("door".to_owned()))),
            ("systemd.example", tcp("systemd.example")),
        ] {
            assert_eq!(Endpoint::new(host, 80), endpoint, "{host}");
        }
    }

    #[test]
    fn urls_are_such_that_a_program_on_this_machine_gets_there() {
        let url = |address: &str| Address::Tcp(address.parse().expect("an address")).url("http", "/");
        assert_eq!(url("0.0.0.0:80"), "http://127.0.0.1:80/");
        assert_eq!(url("[::]:80"), "http://[::1]:80/");
        assert_eq!(url("192.0.2.1:80"), "http://192.0.2.1:80/");
        assert_eq!(Address::Unix("/run/a".into()).url("http", "/door/"), "http://unix:/run/a:/door/");
    }
}
