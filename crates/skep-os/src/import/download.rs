//! Downloads a file, and goes on with one that was cut short (RFC 9110: range requests, 14, and
//! `If-Range`, 13.1.5).

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use fs_err as fs;
use reqwest::{
    Client, NoProxy, Proxy, Response, StatusCode, Url,
    header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use skep_model::event::Span;
use tokio_util::sync::CancellationToken;

use super::{
    ImportError, Imported, Origin,
    meter::Meter,
    room,
    shelf::{Notes, Shelf},
    volume::{self, RECOGNIZED},
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// How an address is reached: proxies, as the environment names them, and CAs to trust besides the
/// roots of this host.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// The proxy for http, as in `$http_proxy`.
    pub http_proxy: Option<String>,
    /// The proxy for https, as in `$https_proxy`.
    pub https_proxy: Option<String>,
    /// Hosts that are reached without one, as in `$no_proxy`.
    pub no_proxy: Option<String>,
    /// More CA certificates, in DER form.
    pub roots: Vec<Vec<u8>>,
}

impl Network {
    fn client(&self, url: &Url, shown: &str) -> Result<Client, ImportError> {
        let exempt = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let https = url.scheme() == "https";
        let roots = if https { self.roots(shown)? } else { RootCertStore::empty() };
        let mut client = Client::builder()
            .user_agent(concat!("skep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            // What began protected does not go on unprotected, wherever it is sent.
            .https_only(https)
            .tls_backend_preconfigured(tls(roots))
            // Those of the environment are handed in.
            .no_proxy();
        let proxy = if https { &self.https_proxy } else { &self.http_proxy };
        if let Some(address) = proxy {
            let proxy = Proxy::all(address).map_err(|source| ImportError::Proxy {
                proxy: address.rsplit('@').next().unwrap_or_default().to_owned(),
                source: source.without_url(),
            })?;
            client = client.proxy(proxy.no_proxy(exempt));
        }
        client.build().map_err(|source| ImportError::Client { url: shown.to_owned(), source })
    }

    fn roots(&self, shown: &str) -> Result<RootCertStore, ImportError> {
        let mut roots = RootCertStore::empty();
        // Of hundreds, some that cannot be read do no harm.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.roots.iter().cloned().map(CertificateDer::from));
        if roots.is_empty() {
            return Err(ImportError::NoRoots { url: shown.to_owned() });
        }
        Ok(roots)
    }
}

fn tls(roots: RootCertStore) -> ClientConfig {
    #[expect(clippy::expect_used, reason = "ring has the default versions")]
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has these versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[derive(Debug)]
pub(super) enum Fetched {
    /// The file is there, whole.
    Whole,
    /// The server still has what was imported before.
    Known(Imported),
}

/// One file of a server's, on its way into a shelf.
#[derive(Debug)]
pub(super) struct Download<'a> {
    client: Client,
    url: &'a Url,
    shown: String,
    shelf: &'a Shelf,
    key: &'a str,
}

impl<'a> Download<'a> {
    pub(super) fn new(
        url: &'a Url,
        network: &Network,
        shelf: &'a Shelf,
        key: &'a str,
    ) -> Result<Self, ImportError> {
        let shown = Origin::Url(url.clone()).to_string();
        Ok(Self { client: network.client(url, &shown)?, url, shown, shelf, key })
    }

    /// Downloads the rest of the file, or all of it.
    pub(super) async fn run(
        &self,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<Fetched, ImportError> {
        let part = self.shelf.part(self.key);
        let before = self.shelf.notes(self.key)?;
        let there = fs::metadata(&part).map_or(0, |metadata| metadata.len());
        let resumable = before.as_ref().filter(|notes| there > 0 && notes.validator().is_some());
        if let Some(notes) = resumable {
            if notes.total == Some(there) {
                return Ok(Fetched::Whole);
            }
            let response = self.ask(Some((there, notes)), cancel).await?;
            if goes_on(&response, there, notes) {
                span.progress(format!("going on after {} MB", there / 1_000_000));
                return self.receive(response, notes, there, span, cancel).await;
            }
            if response.status() == StatusCode::OK {
                let now = self.notes(&response);
                span.progress(if now.is_same_as(notes) {
                    "the server does not go on in the middle: starting again"
                } else {
                    "the file has changed at the server: starting again"
                });
                return self.receive(response, &now, 0, span, cancel).await;
            }
            span.progress("the server has no such rest: starting again");
        }
        let response = self.ask(None, cancel).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().to_string();
            return Err(ImportError::Status { url: self.shown.clone(), status });
        }
        let now = self.notes(&response);
        if let Some(before) = before.filter(|before| before.is_same_as(&now))
            && let Some(digest) = &before.digest
            && let Some(known) = self.shelf.imported(digest)?
        {
            return Ok(Fetched::Known(known));
        }
        self.receive(response, &now, 0, span, cancel).await
    }

    async fn ask(
        &self,
        rest: Option<(u64, &Notes)>,
        cancel: &CancellationToken,
    ) -> Result<Response, ImportError> {
        let mut request = self.client.get(self.url.clone());
        if let Some((from, notes)) = rest
            && let Some(validator) = notes.validator()
        {
            request = request.header(RANGE, format!("bytes={from}-")).header(IF_RANGE, validator);
        }
        tokio::select! {
            () = cancel.cancelled() => Err(ImportError::Cancelled),
            answer = request.send() => answer.map_err(|error| ImportError::request(&self.shown, error)),
        }
    }

    /// What the headers of an answer with the whole file say of it.
    fn notes(&self, response: &Response) -> Notes {
        let headers = response.headers();
        // A weak one may stand for other bytes too.
        let etag = text(headers, ETAG.as_str()).filter(|etag| !etag.starts_with("W/"));
        Notes {
            etag,
            last_modified: text(headers, LAST_MODIFIED.as_str()),
            total: response.content_length(),
            ..Notes::new(self.shown.clone())
        }
    }

    /// Writes what comes behind the first `from` bytes of the file.
    async fn receive(
        &self,
        mut response: Response,
        notes: &Notes,
        from: u64,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<Fetched, ImportError> {
        let part = self.shelf.part(self.key);
        let remaining = notes.total.unwrap_or(from).saturating_sub(from);
        room(&part, remaining)?;
        self.shelf.write_notes(self.key, notes)?;
        let mut options = fs::OpenOptions::new();
        options.create(true);
        let options =
            if from > 0 { options.append(true) } else { options.write(true).truncate(true) };
        let mut file = options.open(&part).map_err(ImportError::writing(&part, remaining))?;
        let mut meter = Meter::new(span, "downloading", from, notes.total);
        let mut size = match from >= RECOGNIZED {
            true => Some(self.recognize(&part, notes.total)?),
            false => None,
        };
        loop {
            let received = tokio::select! {
                () = cancel.cancelled() => return Err(ImportError::Cancelled),
                received = response.chunk() => received,
            };
            let chunk = received.map_err(|source| ImportError::BrokenOff {
                url: self.shown.clone(),
                done: meter.done(),
                total: notes.total,
                resumable: notes.validator().is_some(),
                source: source.without_url(),
            })?;
            let Some(chunk) = chunk else { return Ok(Fetched::Whole) };
            file.write_all(&chunk).map_err(ImportError::writing(&part, remaining))?;
            let before = meter.done();
            meter.add(chunk.len());
            // A page in an image's place is reported at once, and so is one that goes on behind it.
            if before < RECOGNIZED && meter.done() >= RECOGNIZED {
                size = Some(self.recognize(&part, notes.total)?);
            } else if let Some(size) = size {
                self.keep(volume::fits(meter.done(), size, &self.origin()))?;
            }
        }
    }

    fn origin(&self) -> Origin {
        Origin::Url(self.url.clone())
    }

    /// How long the image that has begun to come says it is.
    fn recognize(&self, part: &Path, total: Option<u64>) -> Result<u64, ImportError> {
        let size = self.keep(volume::recognize(part, &self.origin()))?;
        self.keep(volume::fits(total.unwrap_or(0), size, &self.origin()))?;
        Ok(size)
    }

    /// Throws away what has come, if that is wrong.
    fn keep<T>(&self, looked_at: Result<T, ImportError>) -> Result<T, ImportError> {
        if looked_at.is_err() {
            self.shelf.discard(self.key)?;
        }
        looked_at
    }
}

/// Whether an answer is the rest of the same file, behind the bytes that are there.
fn goes_on(response: &Response, there: u64, notes: &Notes) -> bool {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return false;
    }
    let range = text(response.headers(), CONTENT_RANGE.as_str());
    let range = range.as_deref().and_then(content_range);
    range.is_some_and(|(from, total)| {
        from == there && (total.is_none() || notes.total.is_none() || total == notes.total)
    })
}

/// `bytes 100-199/200`: the first byte, and how many there are in all; `*` if that is not known.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let from = range.split_once('-')?.0.parse().ok()?;
    let total = match total {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    Some((from, total))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_beginning_and_perhaps_a_whole() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for broken in ["", "bytes */200", "bytes 1-2", "bytes x-2/3", "lines 1-2/3"] {
            assert_eq!(content_range(broken), None, "{broken}");
        }
    }
}
