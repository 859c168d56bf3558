//! Sockets that systemd, or who does as it does, listens on for us: sd_listen_fds(3).

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd, RawFd},
    process,
};

use socket2::{SockRef, Type};

use super::endpoint::Address;

/// What the environment says of passed sockets. It is only read: sockets stay for the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// The number of each, and its name.
    sockets: Vec<(RawFd, String)>,
}

/// Why there is no passed socket to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// None was passed to this process.
    #[error(
        "no socket was passed to this process (LISTEN_PID, LISTEN_FDS); start it from a systemd .socket unit, or set \
         host to an address"
    )]
    Nothing,
    /// None has this name.
    #[error("no socket named {name} was passed, but {known}; set host=systemd:NAME to what FileDescriptorName= says")]
    NoSuchName {
        /// The one asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Several were passed, and none was named.
    #[error("several sockets were passed: {known}; set host=systemd:NAME to choose one")]
    Several {
        /// Those that there are.
        known: String,
    },
    /// Not what a server can accept connections from.
    #[error("the passed socket {name} cannot accept connections; the .socket unit needs ListenStream= and Accept=no")]
    NotListening {
        /// Its name.
        name: String,
    },
    /// Its address is no path, so that nobody can be told where it is.
    #[error(
        "the passed socket {name} is an abstract one; the .socket unit needs a path or port in ListenStream=, no @"
    )]
    Abstract {
        /// Its name.
        name: String,
    },
    /// What the system says of the descriptor.
    #[error("the passed socket {name} cannot be used: {source}")]
    Unusable {
        /// Its name.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Activation {
    /// Reads the variables that say which sockets were passed to this process.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name| variable(name).and_then(|value| value.parse::<u32>().ok());
        let count = number("LISTEN_FDS").filter(|count| *count <= MAX_SOCKETS);
        let Some(count) = count.filter(|_| number("LISTEN_PID") == Some(process::id())) else {
            return Self::default();
        };
        let names = variable("LISTEN_FDNAMES");
        let names = names.iter().flat_map(|names| names.split(':')).map(str::to_owned);
        let names = names.chain(std::iter::repeat(UNNAMED.to_owned()));
        Self { sockets: (FIRST..).take(count as usize).zip(names).collect() }
    }

    /// A handle of our own for the socket of this name, or for the only one, and where it listens.
    pub(super) fn socket(&self, name: Option<&str>) -> Result<(OwnedFd, Address), ActivationError> {
        let known = || self.sockets.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
        let chosen = match (name, self.sockets.as_slice()) {
            (_, []) => return Err(ActivationError::Nothing),
            (Some(name), sockets) => sockets
                .iter()
                .find(|(_, known)| known == name)
                .ok_or_else(|| ActivationError::NoSuchName { name: name.to_owned(), known: known() })?,
            (None, [one]) => one,
            (None, _) => return Err(ActivationError::Several { known: known() }),
        };
        let (number, name) = chosen;
        let unusable = |source| ActivationError::Unusable { name: name.clone(), source };
        // SAFETY: the process that started us left this descriptor open for us and nobody else, and it is not -1.
        // Were it closed all the same, the system would say so.
        let passed = unsafe { BorrowedFd::borrow_raw(*number) };
        // It came without the flag, or it would not have come; programs that this one starts are not to have it.
        SockRef::from(&passed).set_cloexec(true).map_err(unusable)?;
        // The passed one stays open, so that the element can start again.
        let socket = passed.try_clone_to_owned().map_err(unusable)?;
        let about = SockRef::from(&socket);
        let listens = about.is_listener().and_then(|listens| Ok(listens && about.r#type()? == Type::STREAM));
        if !listens.map_err(unusable)? {
            return Err(ActivationError::NotListening { name: name.clone() });
        }
        let address = about.local_addr().map_err(unusable)?;
        if address.is_unix() && address.as_pathname().is_none() {
            return Err(ActivationError::Abstract { name: name.clone() });
        }
        let address = Address::try_from(&address).map_err(unusable)?;
        about.set_nonblocking(true).map_err(unusable)?;
        Ok((socket, address))
    }
}

/// The first descriptor passed; sd_listen_fds(3).
const FIRST: RawFd = 3;

/// What systemd calls a socket that has no name.
const UNNAMED: &str = "unknown";

/// More sockets than anybody passes: the variable is damaged.
const MAX_SOCKETS: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pid: u32, count: &str, names: Option<&str>) -> Activation {
        Activation::read(|name| match name {
            "LISTEN_PID" => Some(pid.to_string()),
            "LISTEN_FDS" => Some(count.to_owned()),
            "LISTEN_FDNAMES" => names.map(str::to_owned),
            _ => None,
        })
    }

    #[test]
    fn sockets_have_the_names_that_they_were_given() {
        let sockets = |count, names| read(process::id(), count, names).sockets;
        assert_eq!(sockets("2", Some("door:garden")), [(3, "door".to_owned()), (4, "garden".to_owned())]);
        assert_eq!(sockets("2", None), [(3, UNNAMED.to_owned()), (4, UNNAMED.to_owned())]);
        assert_eq!(sockets("0", Some("door")), []);
        assert_eq!(sockets("-1", Some("door")), []);
        assert_eq!(sockets("4000000000", Some("door")), []);
    }

    #[test]
    fn what_was_passed_to_another_process_is_not_ours() {
        assert_eq!(read(process::id() + 1, "1", None), Activation::default());
    }

    #[test]
    fn errors_say_which_sockets_there_are() {
        let error = |activation: &Activation, name| activation.socket(name).expect_err("no socket").to_string();
        let two = read(process::id(), "2", Some("door:garden"));
        assert!(error(&Activation::default(), None).contains("no socket was passed"));
        assert!(error(&two, None).contains("door, garden"));
        assert!(error(&two, Some("yard")).contains("no socket named yard was passed, but door, garden"));
    }
}
