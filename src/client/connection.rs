//! One connection to a server, over GIO.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use gio::prelude::*;

use super::{ClientError, Location, Options, Proxy, deadline::within, location::host_port, tls::Findings};

/// A connection. Dropping it closes it.
pub(super) struct Connection {
    stream: gio::SocketConnection,
    input: gio::PollableInputStream,
    socket: gio::Socket,
    cancellable: Descriptor,
    tls: bool,
    findings: Findings,
    /// A byte has come.
    answered: Cell<bool>,
    /// The last read took all that was there.
    drained: Cell<bool>,
}

/// A cancellable whose descriptor stays open: GIO opens and closes one around each wait otherwise, which are two system
/// calls of four, and ends the process where there is none left.
struct Descriptor(gio::Cancellable);

/// How a read ended.
pub(super) enum Read {
    Bytes(usize),
    /// No byte came for so long.
    Idle(Duration),
    /// The peer closed.
    Closed,
}

impl Connection {
    /// Connects, with TLS where the location wants it, through the proxy if there is one. Blocks.
    pub(super) fn open(
        location: &Location,
        options: &Options,
        cancellable: &gio::Cancellable,
    ) -> Result<Self, ClientError> {
        let client = gio::SocketClient::new();
        // Cameras are in the house: a proxy that the environment names for the world outside would not reach them.
        client.set_enable_proxy(false);
        let next = options.proxy.as_ref().map_or(location, |proxy| &proxy.location);
        let next = gio::NetworkAddress::new(&next.host, next.port);
        // Without TLS the request itself goes to the proxy.
        let mut host = next.clone();
        if let Some(proxy) = &options.proxy
            && location.tls
        {
            // GIO asks the proxy for a tunnel.
            let resolver = gio::SimpleProxyResolver::new(Some(&proxy.url()), [""; 0]);
            client.set_proxy_resolver(Some(&resolver));
            client.set_enable_proxy(true);
            host = gio::NetworkAddress::new(location.public_host(), location.port);
        }
        let mut findings = Findings::default();
        if location.tls {
            client.set_tls(true);
            findings = options.tls.prepare(&client, options.tls.trusted()?);
        }
        let stream = within(options.connect_timeout, cancellable, |cancellable| {
            share(options.connect_timeout, &client, &next, cancellable)?;
            match numeric(&host).filter(|_| location.tls) {
                Some(address) => SocketClientExt::connect(&client, &address, Some(cancellable)),
                None => SocketClientExt::connect(&client, &host, Some(cancellable)),
            }
        });
        let stream = stream.map_err(|error| connect_error(location, options.proxy.as_ref(), &findings, &error))?;
        let socket = stream.socket();
        // From here on each wait has its own limit.
        socket.set_timeout(0);
        let input = stream.input_stream().dynamic_cast().expect("the streams of a socket can be polled");
        Ok(Self {
            stream,
            input,
            socket,
            cancellable: Descriptor::of(cancellable),
            tls: location.tls,
            findings,
            answered: Cell::new(false),
            drained: Cell::new(false),
        })
    }

    /// The address of the peer.
    pub(super) fn peer(&self) -> String {
        let address = self.stream.remote_address().ok().and_downcast::<gio::InetSocketAddress>();
        address.map_or_else(String::new, |address| host_port(&address.address().to_str(), address.port()))
    }

    /// Writes all of `bytes`. Blocks while the peer takes none of them, for `timeout` at the most.
    pub(super) fn write(&self, bytes: &[u8], timeout: Option<Duration>) -> Result<(), ClientError> {
        self.socket.set_timeout(whole_seconds(timeout));
        let written = self.stream.output_stream().write_all(bytes, Some(&self.cancellable.0));
        self.socket.set_timeout(0);
        let error = match written {
            Ok((_, None)) => return Ok(()),
            Ok((_, Some(error))) | Err(error) => error,
        };
        match timeout {
            Some(after) if error.matches(gio::IOErrorEnum::TimedOut) => Err(ClientError::Stalled { after }),
            _ => Err(self.broken(error)),
        }
    }

    /// Reads what is there, after waiting at most that long for it; without a limit, until something comes. Calls
    /// `waits` before it waits.
    pub(super) fn read(
        &self,
        space: &mut [u8],
        at_most: Option<Duration>,
        waits: impl Fn(),
    ) -> Result<Read, ClientError> {
        let mut until = None;
        loop {
            // Asking a socket that has nothing costs more than waiting for it. TLS may hold bytes that no socket shows.
            if !self.drained.replace(false) {
                match self.input.read_nonblocking(space, Some(&self.cancellable.0)) {
                    Ok(0) => return Ok(Read::Closed),
                    Ok(count) => {
                        let count = usize::try_from(count).unwrap_or_default();
                        self.answered.set(true);
                        self.drained.set(!self.tls && count < space.len());
                        return Ok(Read::Bytes(count));
                    }
                    Err(error) if error.matches(gio::IOErrorEnum::WouldBlock) => {}
                    // Many servers end TLS without a word.
                    Err(error) if error.matches(gio::TlsError::Eof) => return Ok(Read::Closed),
                    Err(error) => return Err(self.broken(error)),
                }
            }
            waits();
            let left = at_most.map(|at_most| {
                let now = Instant::now();
                until.get_or_insert(now + at_most).saturating_duration_since(now)
            });
            let microseconds = left.map_or(-1, |left| i64::try_from(left.as_micros()).unwrap_or(i64::MAX));
            let waited =
                self.socket.condition_timed_wait(glib::IOCondition::IN, microseconds, Some(&self.cancellable.0));
            match (waited, at_most) {
                (Ok(()), _) => {}
                (Err(error), Some(at_most)) if error.matches(gio::IOErrorEnum::TimedOut) => {
                    return Ok(Read::Idle(at_most));
                }
                (Err(error), _) => return Err(self.broken(error)),
            }
        }
    }

    /// Fails when the client was cancelled.
    pub(super) fn check_cancelled(&self) -> Result<(), ClientError> {
        if self.cancellable.0.is_cancelled() { Err(ClientError::Cancelled) } else { Ok(()) }
    }

    /// Whether the peer has sent nothing that was not read, but for blanks, which some send behind a body.
    pub(super) fn is_quiet(&self) -> bool {
        let mut space = [0; 64];
        match self.input.read_nonblocking(&mut space, Some(&self.cancellable.0)) {
            Ok(count) => count > 0 && usize::try_from(count).is_ok_and(|count| space[..count].trim_ascii().is_empty()),
            Err(error) => error.matches(gio::IOErrorEnum::WouldBlock),
        }
    }

    fn broken(&self, error: glib::Error) -> ClientError {
        if error.matches(gio::IOErrorEnum::Cancelled) {
            return ClientError::Cancelled;
        }
        // With TLS 1.3 the server judges what we have when the connection is made on our side.
        if error.is::<gio::TlsError>() && !self.answered.get() && self.findings.asks_for_certificate() {
            return ClientError::ClientCertificate { address: self.peer() };
        }
        ClientError::Broken { message: error.message().to_owned() }
    }
}

impl Descriptor {
    fn of(cancellable: &gio::Cancellable) -> Self {
        cancellable.fd();
        Self(cancellable.clone())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.release_fd();
    }
}

fn connect_error(location: &Location, proxy: Option<&Proxy>, findings: &Findings, error: &glib::Error) -> ClientError {
    let message = error.message().to_owned();
    let (next, property) = proxy.map_or((location, "location"), |proxy| (&proxy.location, "proxy"));
    match error.kind::<gio::IOErrorEnum>() {
        Some(gio::IOErrorEnum::Cancelled) => return ClientError::Cancelled,
        Some(gio::IOErrorEnum::ProxyNeedAuth | gio::IOErrorEnum::ProxyAuthFailed) => {
            return ClientError::ProxyPassword { address: next.address(), message };
        }
        Some(gio::IOErrorEnum::ProxyFailed | gio::IOErrorEnum::ProxyNotAllowed) => {
            return ClientError::Tunnel { proxy: next.address(), address: location.address(), message };
        }
        _ => {}
    }
    if error.is::<gio::TlsError>() {
        let address = location.address();
        match findings.faults() {
            Some(faults) => ClientError::Certificate { address, faults, cure: findings.cure() },
            None if findings.asks_for_certificate() => ClientError::ClientCertificate { address },
            // That is what GIO calls it, though the server may well speak TLS.
            None if error.matches(gio::TlsError::NotTls) => ClientError::NoTls { address, message },
            None => ClientError::Tls { address, message },
        }
    } else if error.matches(gio::ResolverError::TemporaryFailure) {
        // As while a machine starts up.
        ClientError::NoResolver { host: next.host.clone(), message, property }
    } else if error.is::<gio::ResolverError>() {
        ClientError::UnknownHost { host: next.host.clone(), message, property }
    } else {
        ClientError::Connect { address: next.address(), message, property }
    }
}

/// A host that is an address, as such: GIO would send it to a TLS server as a name, which RFC 6066 3 forbids and some
/// servers refuse.
fn numeric(host: &gio::NetworkAddress) -> Option<gio::SocketAddress> {
    gio::InetSocketAddress::from_string(&host.hostname(), host.port().into()).map(Cast::upcast)
}

/// Gives each address of a host its part of the time: one that is silent must not take that of the others.
fn share(
    timeout: Option<Duration>,
    client: &gio::SocketClient,
    host: &gio::NetworkAddress,
    cancellable: &gio::Cancellable,
) -> Result<(), glib::Error> {
    // What is looked up here the host remembers.
    let (addresses, mut count) = (host.enumerate(), 0);
    while addresses.next(Some(cancellable))?.is_some() {
        count += 1;
    }
    if count > 1 {
        client.set_timeout(whole_seconds(timeout.map(|timeout| timeout / count)));
        client.connect_event(|_, event, _, stream| {
            let connection = stream.and_then(|stream| stream.downcast_ref::<gio::SocketConnection>());
            if let (gio::SocketClientEvent::Connected, Some(connection)) = (event, connection) {
                // What is left of the whole is for the proxy and TLS.
                connection.socket().set_timeout(0);
            }
        });
    }
    Ok(())
}

/// GIO takes whole seconds here and 0 as no limit: round up.
fn whole_seconds(limit: Option<Duration>) -> u32 {
    limit.map_or(0, |limit| u32::try_from(limit.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
}
