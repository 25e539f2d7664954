//! Where an engine is, as `DOCKER_HOST` writes it.
//!
//! Source of the format: `docker --host`, whose forms are `unix://`, `tcp://`, `ssh://`, `http://`,
//! `https://`, `npipe://` and `fd://`; a text without a scheme is a TCP address.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where the Docker CLI looks when nothing else is said.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket of this host: the only one skep itself talks to.
    Unix(PathBuf),
    /// A TCP address, with or without TLS: `192.168.99.100:2376`.
    Tcp(String),
    /// Another host by SSH: `user@host:22`.
    Ssh(String),
    Pipe(String),
    /// A socket that an init system handed to the engine; no client can use it.
    Descriptor(String),
}

/// A text that names no engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Its scheme is none the Docker CLI knows.
    #[error(
        "`{text}` names no Docker Engine: `{scheme}` is not a scheme; write unix:///path/to/docker.sock"
    )]
    UnknownScheme { text: String, scheme: String },
    /// Nothing follows its scheme, or a unix socket's path is not absolute.
    #[error("`{text}` names no Docker Engine: {needed} must follow the scheme")]
    Incomplete { text: String, needed: &'static str },
    /// It is not on this host's unix socket.
    #[error(
        "the Docker Engine at {endpoint} is not reached through a unix socket of this host, which is the only way supported here; unset DOCKER_HOST or set it to unix:///path/to/docker.sock"
    )]
    NotLocal { endpoint: Endpoint },
}

impl Endpoint {
    /// Reads a value of `DOCKER_HOST`; without one, or with an empty one, it is
    /// [`DEFAULT_SOCKET`].
    ///
    /// # Errors
    /// [`EndpointError::UnknownScheme`] and [`EndpointError::Incomplete`].
    pub fn resolve(docker_host: Option<&str>) -> Result<Endpoint, EndpointError> {
        let text = docker_host.unwrap_or_default().trim();
        if text.is_empty() {
            return Ok(Endpoint::Unix(DEFAULT_SOCKET.into()));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let incomplete = |needed| EndpointError::Incomplete { text: text.to_owned(), needed };
        let named = |needed| {
            let rest = rest.trim_end_matches('/');
            if rest.is_empty() { Err(incomplete(needed)) } else { Ok(rest.to_owned()) }
        };
        match scheme {
            "unix" if rest.starts_with('/') => Ok(Endpoint::Unix(rest.into())),
            // The Docker CLI takes a bare `unix://` as the default socket.
            "unix" if rest.is_empty() => Ok(Endpoint::Unix(DEFAULT_SOCKET.into())),
            "unix" => Err(incomplete("an absolute path")),
            "tcp" | "http" | "https" => named("an address").map(Endpoint::Tcp),
            "ssh" => named("a host").map(Endpoint::Ssh),
            "npipe" => named("a pipe").map(Endpoint::Pipe),
            "fd" => Ok(Endpoint::Descriptor(rest.to_owned())),
            scheme => Err(EndpointError::UnknownScheme {
                text: text.to_owned(),
                scheme: scheme.to_owned(),
            }),
        }
    }

    /// The unix socket, if that is what it is.
    ///
    /// # Errors
    /// [`EndpointError::NotLocal`] for every other way to reach an engine.
    pub fn local_socket(&self) -> Result<&Path, EndpointError> {
        match self {
            Endpoint::Unix(path) => Ok(path),
            other => Err(EndpointError::NotLocal { endpoint: other.clone() }),
        }
    }
}

impl fmt::Display for Endpoint {
    /// As `DOCKER_HOST` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp(address) => write!(f, "tcp://{address}"),
            Endpoint::Ssh(host) => write!(f, "ssh://{host}"),
            Endpoint::Pipe(pipe) => write!(f, "npipe://{pipe}"),
            Endpoint::Descriptor(name) => write!(f, "fd://{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_form_is_told_apart() {
        let read = |text| Endpoint::resolve(Some(text)).unwrap();
        assert_eq!(read("unix:///run/docker.sock"), Endpoint::Unix("/run/docker.sock".into()));
        assert_eq!(read("unix://"), Endpoint::Unix(DEFAULT_SOCKET.into()));
        assert_eq!(read("tcp://192.168.99.100:2376/"), Endpoint::Tcp("192.168.99.100:2376".into()));
        assert_eq!(read("https://build:2376"), Endpoint::Tcp("build:2376".into()));
        assert_eq!(read("192.168.99.100:2375"), Endpoint::Tcp("192.168.99.100:2375".into()));
        assert_eq!(read("ssh://me@build:2222"), Endpoint::Ssh("me@build:2222".into()));
        assert_eq!(
            read("npipe:////./pipe/docker_engine"),
            Endpoint::Pipe("//./pipe/docker_engine".into())
        );
        assert_eq!(read("fd://"), Endpoint::Descriptor(String::new()));
    }

    #[test]
    fn nothing_said_is_the_default_socket() {
        for value in [None, Some(""), Some("  ")] {
            assert_eq!(Endpoint::resolve(value), Ok(Endpoint::Unix(DEFAULT_SOCKET.into())));
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_the_reason() {
        for text in
            ["unix://docker.sock", "tcp://", "ssh://", "ftp://host", "unix:/run/docker.sock2://"]
        {
            assert!(Endpoint::resolve(Some(text)).is_err(), "{text}");
        }
        let error = Endpoint::resolve(Some("ftp://host")).unwrap_err();
        assert!(error.to_string().contains("`ftp` is not a scheme"), "{error}");
    }

    #[test]
    fn only_a_unix_socket_is_local() {
        assert!(Endpoint::resolve(None).unwrap().local_socket().is_ok());
        let error = Endpoint::resolve(Some("tcp://b:2376")).unwrap().local_socket().unwrap_err();
        assert!(error.to_string().contains("tcp://b:2376"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(path in "/[a-z/.]{1,40}", host in "[a-z0-9.@:]{1,40}") {
            for endpoint in [Endpoint::Unix(path.into()), Endpoint::Tcp(host.clone()), Endpoint::Ssh(host)] {
                prop_assert_eq!(Endpoint::resolve(Some(&endpoint.to_string())), Ok(endpoint));
            }
        }
    }
}
