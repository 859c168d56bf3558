//! A proxy on the way.

use super::{
    Credentials, Location, LocationError,
    location::{host_port, without_secrets},
};

/// An HTTP proxy. What is asked over TLS goes through a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub(super) location: Location,
    pub(super) credentials: Option<Credentials>,
}

/// Why a text names no proxy that we can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("proxy {proxy:?} {problem}; write it as http://proxy:3128")]
pub struct ProxyError {
    proxy: String,
    problem: String,
}

impl Proxy {
    /// Reads `http://host:port`, also without the `http://`; a user and password in it are used unless `credentials`
    /// are given.
    ///
    /// # Errors
    ///
    /// It is no such URL, or another kind of proxy.
    pub fn parse(text: &str, credentials: Option<Credentials>) -> Result<Self, ProxyError> {
        let refuse = |problem: String| ProxyError { proxy: without_secrets(text), problem };
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let location = Location::parse(&url).map_err(|error| match error {
            LocationError::NoUrl { message, .. } => refuse(format!("is not a URL ({message})")),
            LocationError::NoHost { .. } => refuse("names no host".to_owned()),
            LocationError::Scheme { .. } => refuse("is not an HTTP proxy".to_owned()),
        })?;
        if location.tls {
            return Err(refuse("is not an HTTP proxy".to_owned()));
        }
        let credentials = credentials.or_else(|| location.credentials.clone());
        Ok(Self { location, credentials })
    }

    /// The URL by which GIO knows it.
    pub(super) fn url(&self) -> String {
        let userinfo = self.credentials.as_ref().map(|credentials| format!("{}@", credentials.userinfo()));
        format!("http://{}{}", userinfo.unwrap_or_default(), host_port(&self.location.host, self.location.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_with_and_without_scheme_and_user() {
        for (text, url) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("proxy:3128", "http://proxy:3128"),
            ("http://u:p%40w@proxy:3128/", "http://u:p%40w@proxy:3128"),
            ("http://[::1]:3128", "http://[::1]:3128"),
        ] {
            assert_eq!(Proxy::parse(text, None).map(|proxy| proxy.url()), Ok(url.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_kinds_of_proxy_are_refused() {
        assert!(Proxy::parse("socks5://proxy:1080", None).is_err());
        assert!(Proxy::parse("https://proxy:3128", None).is_err());
    }
}
