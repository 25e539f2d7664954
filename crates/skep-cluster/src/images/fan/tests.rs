//! One archive to engines that take it, refuse it, or stop taking it.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use skep_model::Events;
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
};

use super::*;
use crate::images::archive::Archive;

/// What a fake engine does with an archive.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Takes,
    Refuses,
    /// Takes its beginning only.
    Stalls,
}

/// What fake engines were sent, and whether it came to its end.
type Taken = Arc<Mutex<Vec<(usize, bool)>>>;

async fn engine(folder: &TempDir, name: &str, manner: Manner) -> (MachineName, Engine, Taken) {
    let socket = folder.path().join(name);
    let listener = UnixListener::bind(&socket).unwrap();
    let taken = Taken::default();
    let noted = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, manner, noted.clone()));
        }
    });
    let patience = Duration::from_secs(30);
    let engine = Engine::connect(&socket, patience, &CancellationToken::new()).await.unwrap();
    (name.parse().unwrap(), engine, taken)
}

async fn serve(mut stream: UnixStream, manner: Manner, taken: Taken) {
    let mut seen = Vec::new();
    let reply = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    while stream.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        if seen.starts_with(b"G") {
            if seen.ends_with(b"\r\n\r\n") {
                seen.clear();
                stream.write_all(reply("200 OK", "OK").as_bytes()).await.unwrap();
            }
            continue;
        }
        match manner {
            Manner::Takes if seen.ends_with(b"\r\n0\r\n\r\n") => {
                taken.lock().unwrap().push((seen.len(), true));
                seen.clear();
                stream.write_all(reply("200 OK", "{}").as_bytes()).await.unwrap();
            }
            Manner::Takes => {}
            Manner::Refuses => {
                let full = "{\"message\":\"no space left on device\"}";
                // The sender may have gone already.
                let _ = stream.write_all(reply("500 No", full).as_bytes()).await;
                // Like Go's server, which an engine is behind: its own side is closed first, the
                // other one later, so that a sender reads the answer before its pipe breaks.
                let _ = stream.shutdown().await;
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                return;
            }
            Manner::Stalls => std::future::pending().await,
        }
    }
    if !seen.is_empty() {
        taken.lock().unwrap().push((seen.len(), false));
    }
}

/// A source of so many bytes, of which the file has fewer if `missing`.
fn source(folder: &TempDir, length: u64, missing: u64) -> Source {
    let path = folder.path().join("archive.tar");
    std::fs::write(&path, vec![7; usize::try_from(length - missing).unwrap()]).unwrap();
    Source::File(Archive::of(&path, length))
}

fn reason(result: &Result<(), ClusterError>) -> String {
    result.as_ref().unwrap_err().to_string()
}

const LENGTH: u64 = 5_000_000;

#[tokio::test]
async fn everybody_is_sent_all_of_it_and_one_that_refuses_holds_nobody_up() {
    let folder = TempDir::new().unwrap();
    let one = engine(&folder, "one", Manner::Takes).await;
    let full = engine(&folder, "full", Manner::Refuses).await;
    let two = engine(&folder, "two", Manner::Takes).await;
    let machines: Vec<_> =
        [&one, &full, &two].map(|(name, engine, _)| (name.clone(), engine.clone())).into();
    let source = source(&folder, LENGTH, 0);
    let sent =
        send(&source, &machines, Context::new(&Events::none(), &CancellationToken::new())).await;
    assert!(sent[0].is_ok() && sent[2].is_ok(), "{sent:?}");
    assert!(reason(&sent[1]).contains("no space left on device"), "{sent:?}");
    for taken in [&one.2, &two.2] {
        let taken = taken.lock().unwrap().clone();
        assert!(matches!(taken.as_slice(), [(bytes, true)] if *bytes > 5_000_000), "{taken:?}");
    }
}

#[tokio::test]
async fn a_source_that_breaks_off_is_nobodys_whole_archive() {
    let folder = TempDir::new().unwrap();
    let (name, engine, taken) = engine(&folder, "one", Manner::Takes).await;
    let source = source(&folder, LENGTH, 1000);
    let machines = [(name, engine)];
    let sent =
        send(&source, &machines, Context::new(&Events::none(), &CancellationToken::new())).await;
    assert!(reason(&sent[0]).contains("has become shorter"), "{sent:?}");
    assert!(taken.lock().unwrap().iter().all(|(_, whole)| !whole), "{taken:?}");
}

#[tokio::test]
async fn ctrl_c_ends_it_though_an_engine_takes_nothing() {
    let folder = TempDir::new().unwrap();
    let (name, engine, _) = engine(&folder, "one", Manner::Stalls).await;
    let source = source(&folder, LENGTH, 0);
    let cancel = CancellationToken::new();
    let machines = [(name, engine)];
    let events = Events::none();
    let sending = send(&source, &machines, Context::new(&events, &cancel));
    let (sent, ()) = tokio::join!(sending, async { cancel.cancel() });
    assert!(sent[0].as_ref().unwrap_err().is_cancelled(), "{sent:?}");
}

impl Archive {
    /// An archive of which nothing is known but where it is and how long.
    fn of(path: &Path, length: u64) -> Self {
        Self { path: path.to_owned(), length, tail: Vec::new(), images: Vec::new() }
    }
}
