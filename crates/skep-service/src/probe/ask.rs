//! What is sent, and what is expected of an answer.

use std::time::Duration;

use hyper::{
    Method, Uri,
    header::{HeaderName, HeaderValue},
};

/// What is sent, and what is expected.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(super) method: Method,
    pub(super) path: Uri,
    /// The `Host` header; the address if not given.
    pub(super) host: Option<HeaderValue>,
    /// The header whose values are counted.
    pub(super) header: HeaderName,
    /// The status that an answer must have; below 400 if not given.
    pub(super) status: Option<u16>,
    /// Texts that an answer's body must have.
    pub(super) texts: Vec<String>,
    /// How long each of connecting, waiting for the answer and reading it may take.
    pub(super) timeout: Duration,
}

/// What cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct AskError {
    pub text: String,
    pub what: &'static str,
}

impl Ask {
    /// Asks for `path` (which begins with `/`) by `method`, counting the values of `header`. Each
    /// of connecting, waiting for the answer and reading it may take `timeout`.
    ///
    /// # Errors
    /// [`AskError`] for what HTTP does not know.
    pub fn new(
        method: &str,
        path: &str,
        header: &str,
        timeout: Duration,
    ) -> Result<Self, AskError> {
        let wrong = |text: &str, what| AskError { text: text.into(), what };
        if timeout.is_zero() {
            return Err(wrong("0s", "time in which an answer could come"));
        }
        let uri =
            path.parse::<Uri>().ok().filter(|uri| path.starts_with('/') && uri.host().is_none());
        Ok(Self {
            method: method.parse().map_err(|_| wrong(method, "method of HTTP, as GET"))?,
            path: uri.ok_or_else(|| wrong(path, "path, as /health"))?,
            host: None,
            header: header.parse().map_err(|_| wrong(header, "name of a header, as Server"))?,
            status: None,
            texts: Vec::new(),
            timeout,
        })
    }

    /// The same, under a name.
    pub fn with_host(mut self, host: &str) -> Result<Self, AskError> {
        let value = HeaderValue::from_str(host);
        self.host =
            Some(value.map_err(|_| AskError { text: host.into(), what: "name of a host" })?);
        Ok(self)
    }

    /// The same, expecting more of an answer: a status (100 to 599), or a text in its body.
    ///
    /// # Errors
    /// [`AskError`] for a second status.
    pub fn expecting(mut self, text: &str) -> Result<Self, AskError> {
        match text.parse::<u16>() {
            Ok(status @ 100..=599) if text.len() == 3 => match self.status.replace(status) {
                Some(before) if before != status => {
                    Err(AskError { text: text.into(), what: "text: an answer has one status only" })
                }
                _ => Ok(self),
            },
            _ => {
                self.texts.push(text.to_owned());
                Ok(self)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, path: &str, header: &str) -> Result<Ask, AskError> {
        Ask::new(method, path, header, Duration::from_secs(1))
    }

    #[test]
    fn what_http_does_not_know_is_named() {
        ask("HEAD", "/a?b=c", "X-Served-By").unwrap();
        for (method, path, header) in [
            ("GE T", "/", "Server"),
            ("GET", "health", "Server"),
            ("GET", "http://host/", "Server"),
            ("GET", "/a b", "Server"),
            ("GET", "/", "Ser:ver"),
        ] {
            assert!(ask(method, path, header).is_err(), "{method} {path} {header}");
        }
        assert!(Ask::new("GET", "/", "Server", Duration::ZERO).is_err());
        assert!(ask("GET", "/", "Server").unwrap().with_host("a\nb").is_err());
    }

    #[test]
    fn a_status_is_told_from_a_text() {
        let ask = ask("GET", "/", "Server").unwrap();
        let expecting = |text: &str| ask.clone().expecting(text).unwrap();
        assert_eq!(expecting("204").status, Some(204));
        assert_eq!(expecting("007").texts, ["007"]);
        assert_eq!(expecting("2040").texts, ["2040"]);
        assert!(expecting("204").expecting("200").is_err());
    }
}
