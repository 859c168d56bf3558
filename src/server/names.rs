//! By which names a server may be asked.
//!
//! A page of any site can have that site's name lead to 127.0.0.1 once it is loaded (DNS rebinding). Its browser then
//! takes a server there for that site itself, and lets the page read what is served. The name in the request gives it
//! away: it is one that a site on the Internet can have.

use std::{net::IpAddr, sync::Mutex};

use hyper::{
    Request,
    header::{HOST, HeaderValue},
};

use super::{Address, Config, Endpoint};
use crate::sync::lock;

/// The names of a server that is for this machine only, and open to all on it.
pub(super) struct Names {
    /// Those that the user has told us, in lower case.
    told: Mutex<Vec<String>>,
}

/// Another name than those of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown(String);

impl Names {
    /// The names by which a server at this address may be asked; `None` is any.
    ///
    /// A password, a token or a certificate keeps such a page out by itself: browsers keep passwords for one name, and
    /// find the certificate to be another's. A server that others reach anyway has names that we cannot know.
    pub(super) fn new(config: &Config, address: &Address) -> Option<Self> {
        let is_closed = config.tls.is_some() || !config.secrets.is_open();
        let is_local = matches!(address, Address::Tcp(_)) && !address.is_public();
        let site = config.allow_origin.as_ref().map(|origin| origin.host());
        if is_closed || !is_local || site == Some(None) {
            return None;
        }
        let told = site.flatten().map(str::to_ascii_lowercase).into_iter().collect();
        let names = Self { told: Mutex::new(told) };
        names.learn(&config.endpoint);
        Some(names)
    }

    /// Takes the name by which a camera has asked for the address; the server keeps it.
    pub(super) fn learn(&self, endpoint: &Endpoint) {
        let Endpoint::Tcp { host, .. } = endpoint else { return };
        let mut told = lock(&self.told);
        if !told.iter().any(|told| told.eq_ignore_ascii_case(host)) {
            told.push(host.to_ascii_lowercase());
        }
    }

    /// Whether all that the request calls the server are names of it. Programs may leave the name out, browsers never
    /// do.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Unknown> {
        let fields = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
        let mut names = fields.chain(request.uri().host().map(str::as_bytes));
        let unknown = names.find_map(|name| {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let host = host(&name);
            (!self.has(host)).then(|| Unknown(host.to_owned()))
        });
        unknown.map_or(Ok(()), Err)
    }

    fn has(&self, host: &str) -> bool {
        // No name leads elsewhere where an address stands.
        is_nobodys(host) || host.parse::<IpAddr>().is_ok() || lock(&self.told).iter().any(|told| told == host)
    }
}

/// Whether no site on the Internet can have this name: one of the house then, or of a table of this machine's.
fn is_nobodys(host: &str) -> bool {
    !host.contains('.')
        || NOBODYS.iter().any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))
}

impl Unknown {
    /// The name, for people.
    pub(super) fn name(&self) -> String {
        self.0.escape_default().to_string()
    }
}

/// The host of what stands in a request: without its port, the brackets of an address and the dot of a full name.
fn host(name: &str) -> &str {
    if let Some((address, port)) = name.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && (port.is_empty() || port.starts_with(':'))
    {
        return address;
    }
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    host.strip_suffix('.').unwrap_or(host)
}

/// Domains in which nobody can register a name: RFC 6761 6 (localhost, test, example, invalid), RFC 6762 3 (local), RFC
/// 8375 (home.arpa), and those that ICANN has said never to delegate (internal, home), or that routers use and nobody
/// has (lan).
const NOBODYS: [&str; 9] = ["localhost", "test", "example", "invalid", "local", "home.arpa", "internal", "home", "lan"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{Activation, Secrets, TlsFiles};

    fn config(host: &str, allow_origin: &str) -> Config {
        Config {
            endpoint: Endpoint::new(host, 8080),
            activation: Activation::default(),
            tls: None,
            timeout: None,
            per_address: None,
            secrets: Secrets::default(),
            allow_origin: (!allow_origin.is_empty()).then(|| allow_origin.parse().expect("an origin")),
        }
    }

    fn local() -> Address {
        Address::Tcp(([127, 0, 0, 1], 8080).into())
    }

    fn is_known(names: &Names, host: &str) -> bool {
        let request = Request::builder().header(HOST, host).body(()).expect("a request");
        names.check(&request).is_ok()
    }

    #[test]
    fn addresses_localhost_and_what_the_user_has_said_are_names() {
        let names = Names::new(&config("Cam.example.net", "https://Home.example.org:8123"), &local()).expect("not any");
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "localhost",
            "LocalHost:8080",
            "localhost.:8080",
            "door.localhost:8080",
            "cam.example.net:8080",
            "home.example.org",
            "camera",
            "camera.local.:8080",
            "camera.home.arpa",
            "x",
            "",
        ] {
            assert!(is_known(&names, host), "{host:?}");
        }
        for host in [
            "evil.example.com",
            "evil.example.com:8080",
            "localhost.evil.example.com",
            "evil.notlocal",
            "127.0.0.1.evil.example.com",
            "127.0.0.1@evil.example.com",
            "evil.example.com:127.0.0.1",
            "cam.example.net.evil.example.com",
            "\u{ff}.com",
            "home.arpa.com",
        ] {
            assert!(!is_known(&names, host), "{host:?}");
        }
    }

    #[test]
    fn every_name_in_a_request_counts() {
        let names = Names::new(&config("127.0.0.1", ""), &local()).expect("not any");
        let request = |uri: &str, hosts: &[&str]| {
            let request = hosts.iter().fold(Request::builder().uri(uri), |request, host| request.header(HOST, *host));
            names.check(&request.body(()).expect("a request"))
        };
        assert_eq!(request("/", &[]), Ok(()));
        assert_eq!(request("http://localhost:8080/", &["localhost:8080"]), Ok(()));
        assert_eq!(request("http://evil.example.com/", &["localhost"]), Err(Unknown("evil.example.com".to_owned())));
        assert_eq!(request("http://localhost/", &["evil.example.com"]), Err(Unknown("evil.example.com".to_owned())));
        assert_eq!(request("/", &["localhost", "evil.example.com"]), Err(Unknown("evil.example.com".to_owned())));
    }

    #[test]
    fn any_name_will_do_where_such_a_page_is_kept_out_or_nobody_is() {
        let open = config("127.0.0.1", "");
        assert!(Names::new(&open, &local()).is_some());
        assert!(Names::new(&open, &Address::Tcp(([0, 0, 0, 0], 8080).into())).is_none());
        // An IPv4 address as IPv6 writes it.
        let mapped = Address::Tcp("[::ffff:127.0.0.1]:8080".parse().expect("an address"));
        assert!(Names::new(&open, &mapped).is_some() && !mapped.is_public());
        assert!(Names::new(&open, &Address::Unix("/run/camera.sock".into())).is_none());
        assert!(Names::new(&config("127.0.0.1", "*"), &local()).is_none());
        let token = Secrets { token: Some("t0ken".parse().expect("a token")), ..Secrets::default() };
        assert!(Names::new(&Config { secrets: token, ..open.clone() }, &local()).is_none());
        let files = TlsFiles { certificate: "a".into(), key: "b".into() };
        assert!(Names::new(&Config { tls: Some(files), ..open }, &local()).is_none());
    }
}
