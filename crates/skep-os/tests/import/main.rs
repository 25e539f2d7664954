//! Imports from files and from servers that cut connections, ignore ranges and change their files.

mod server;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use skep_model::{Event, Events};
use skep_os::{
    Import,
    import::{self, ImportError, Imported, Item, Network, Origin},
};
use tokio_util::sync::CancellationToken;

use self::server::{Server, Site};

/// How long the images of these tests are, in bytes.
const SIZE: usize = 100 * 2048;

/// An image, as far as an import looks at it; `fill` tells two of them apart.
fn image(fill: u8) -> Vec<u8> {
    let mut image = vec![fill; SIZE];
    let descriptor = &mut image[0x8000..];
    descriptor[..6].copy_from_slice(b"\x01CD001");
    descriptor[0x50..0x54].copy_from_slice(&100_u32.to_le_bytes());
    descriptor[0x80..0x82].copy_from_slice(&2048_u16.to_le_bytes());
    image
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A cache, and the events of an import into it.
struct Bench {
    root: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), told: Arc::default() }
    }

    fn cache(&self) -> PathBuf {
        self.root.path().join("cache")
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.root.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn import(&self, origin: &str) -> Import {
        Import::new(self.cache(), origin.parse::<Origin>().unwrap())
    }

    fn events(&self) -> Events {
        let told = self.told.clone();
        Events::new(move |event| match event {
            Event::Progress { detail, .. } => told.lock().unwrap().push(detail),
            Event::Warning { text, .. } => told.lock().unwrap().push(text),
            _ => {}
        })
    }

    async fn run(&self, import: Import) -> Result<Imported, ImportError> {
        import.run(&self.events(), &CancellationToken::new()).await
    }

    fn was_told(&self, text: &str) -> bool {
        self.told.lock().unwrap().iter().any(|told| told.contains(text))
    }

    /// The names of the files in the cache but locks, without the digits before their endings.
    fn kinds(&self) -> Vec<String> {
        let entries = fs::read_dir(self.cache().join("imports")).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut kinds: Vec<_> =
            names.filter_map(|name| Some(name.split_once('.')?.1.to_owned())).collect();
        kinds.retain(|kind| kind != "lock");
        kinds.sort_unstable();
        kinds
    }
}

#[tokio::test]
async fn a_file_is_imported_listed_named_and_removed() {
    let bench = Bench::new();
    let path = bench.file("boot 2 docker.iso", &image(1));
    let imported = bench.run(bench.import(&path)).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(1)));
    assert_eq!((imported.name.as_str(), &imported.origin), ("boot-2-docker.iso", &path));
    assert_eq!(fs::read(&imported.iso).unwrap(), image(1));

    let named = bench.import(&path).with_name(Some("bees".parse().unwrap()));
    let named = bench.run(named).await.unwrap();
    assert_eq!(named.name, "bees");
    let again = bench.run(bench.import(&path)).await.unwrap();
    assert_eq!(again.name, "bees");
    assert_eq!(import::list(&bench.cache()).unwrap(), [Item::Whole(again)]);
    assert_eq!(bench.kinds(), ["iso", "json"]);

    let other = bench.file("other.iso", &image(2));
    let other = bench.run(bench.import(&other)).await.unwrap();
    assert!(matches!(import::remove(&bench.cache(), "wasps"), Err(ImportError::NotFound(_))));
    assert!(matches!(import::remove(&bench.cache(), ""), Err(ImportError::NotFound(_))));
    assert_eq!(import::remove(&bench.cache(), "bees").unwrap(), imported.digest);
    assert_eq!(import::remove(&bench.cache(), &other.digest[..12]).unwrap(), other.digest);
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_image_or_not_the_one_is_not_kept() {
    let bench = Bench::new();
    let page = bench.file("page.iso", &vec![b'<'; SIZE]);
    let short = bench.file("short.iso", &image(1)[..SIZE - 1]);
    let tiny = bench.file("tiny.iso", b"CD001");
    let good = bench.file("good.iso", &image(1));
    let missing = bench.root.path().join("missing.iso").display().to_string();
    for (path, digest, reason) in [
        (&page, None, "is not a disc image"),
        (&tiny, None, "is not a disc image"),
        (&short, None, "is cut short: it has 204799 bytes of the 204800"),
        (&missing, None, "cannot read"),
        (&good, Some("0".repeat(64)), &*format!("{}, and {}", sha256(&image(1)), "0".repeat(64))),
    ] {
        let import = bench.import(path).with_digest(digest.map(|digest| digest.parse().unwrap()));
        let error = bench.run(import).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{path}: {error}");
        assert_eq!(bench.kinds(), [""; 0], "{path}");
    }
}

#[tokio::test]
async fn a_damaged_image_is_no_image_and_is_imported_anew() {
    let bench = Bench::new();
    let path = bench.file("a.iso", &image(1));
    let imported = bench.run(bench.import(&path)).await.unwrap();
    fs::write(&imported.iso, "cut").unwrap();
    assert!(matches!(&import::list(&bench.cache()).unwrap()[..], [Item::Unfinished { .. }]));
    let digest = imported.digest.parse().unwrap();
    let again = bench.run(bench.import(&path).with_digest(Some(digest))).await.unwrap();
    assert_eq!(fs::read(&again.iso).unwrap(), image(1));
    fs::write(&again.iso, "cut").unwrap();
    import::remove(&bench.cache(), &again.digest).unwrap();
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn a_transfer_that_broke_off_goes_on() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().cut = Some(150_000);
    let error = bench.run(bench.import(&server.url())).await.unwrap_err().to_string();
    assert!(error.contains("broke off after 150000 of 204800 bytes"), "{error}");
    assert!(error.contains("it goes on from there"), "{error}");
    let listed = import::list(&bench.cache()).unwrap();
    let [Item::Unfinished { size: 150_000, origin: Some(origin), .. }] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(*origin, server.url());

    server.site().cut = None;
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(fs::read(&imported.iso).unwrap(), image(1));
    assert_eq!(server.asked(), ["", "bytes=150000-"]);
    assert!(bench.was_told("going on after"));
    assert_eq!(bench.kinds(), ["iso", "json", "notes"]);
    assert!(bench.was_told("nothing proves"));

    // The server has the same, so nothing more is fetched; with the digest it is not even asked.
    assert_eq!(bench.run(bench.import(&server.url())).await.unwrap(), imported);
    let digest = imported.digest.parse().unwrap();
    let import = bench.import(&server.url()).with_digest(Some(digest));
    assert_eq!(bench.run(import).await.unwrap(), imported);
    assert_eq!(server.asked().len(), 3);
    import::remove(&bench.cache(), "bees.iso").unwrap();
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn a_file_that_has_changed_is_fetched_from_its_beginning() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().cut = Some(150_000);
    bench.run(bench.import(&server.url())).await.unwrap_err();
    *server.site() = Site { etag: Some("\"v2\""), ..Site::with(image(2)) };
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(2)));
    assert!(bench.was_told("has changed at the server"));

    // And another time after it was imported.
    *server.site() = Site { etag: Some("\"v3\""), ..Site::with(image(3)) };
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(3)));
}

#[tokio::test]
async fn a_server_without_ranges_starts_again_and_says_so() {
    let bench = Bench::new();
    let server = Server::start(Site { ranges: false, ..Site::with(image(1)) }).await;
    server.site().cut = Some(150_000);
    bench.run(bench.import(&server.url())).await.unwrap_err();
    server.site().cut = None;
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(1)));
    assert!(bench.was_told("does not go on in the middle"));
}

/// Without anything to know the file by, its two halves could be of two files.
#[tokio::test]
async fn a_server_that_does_not_tell_versions_apart_starts_again() {
    let bench = Bench::new();
    let server = Server::start(Site { etag: None, ..Site::with(image(1)) }).await;
    server.site().cut = Some(150_000);
    let error = bench.run(bench.import(&server.url())).await.unwrap_err().to_string();
    assert!(error.contains("it starts anew"), "{error}");
    *server.site() = Site { etag: None, ..Site::with(image(2)) };
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(2)));
    assert_eq!(server.asked(), ["", ""]);
}

#[tokio::test]
async fn a_rest_the_server_has_not_starts_again() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().cut = Some(150_000);
    bench.run(bench.import(&server.url())).await.unwrap_err();
    *server.site() = Site::with(image(1));
    for name in fs::read_dir(bench.cache().join("imports")).unwrap() {
        let path = name.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "part") {
            fs::write(&path, vec![7; SIZE + 1]).unwrap();
        }
    }
    let imported = bench.run(bench.import(&server.url())).await.unwrap();
    assert_eq!(imported.digest, sha256(&image(1)));
    assert_eq!(server.asked(), ["", "bytes=204801-", ""]);
}

#[tokio::test]
async fn a_mismatch_keeps_nothing() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    let wrong = bench.import(&server.url()).with_digest(Some("0".repeat(64).parse().unwrap()));
    let error = bench.run(wrong).await.unwrap_err();
    assert!(matches!(error, ImportError::Digest { .. }), "{error}");
    assert_eq!(bench.kinds(), [""; 0]);
    bench.run(bench.import(&server.url())).await.unwrap();
}

#[tokio::test]
async fn a_page_in_an_images_place_is_told_before_it_has_come() {
    let bench = Bench::new();
    let server = Server::start(Site::with(vec![b'<'; SIZE])).await;
    server.site().silent = Some(50_000);
    let error = bench.run(bench.import(&server.url())).await.unwrap_err();
    assert!(matches!(error, ImportError::NotAnImage { .. }), "{error}");
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn what_goes_on_behind_its_image_is_told_before_it_has_come() {
    let bench = Bench::new();
    // No byte of the 8 GB is on the disk, and none is copied.
    let path = bench.file("long.iso", &image(1));
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(8 << 30).unwrap();
    let error = bench.run(bench.import(&path)).await.unwrap_err();
    assert!(matches!(error, ImportError::TooLong { size: 204_800, .. }), "{error}");
    let server = Server::start(Site::with(image(1))).await;
    server.site().length = Some(100 << 20);
    let error = bench.run(bench.import(&server.url())).await.unwrap_err();
    assert!(matches!(error, ImportError::TooLong { .. }), "{error}");
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn only_a_file_is_imported() {
    let bench = Bench::new();
    let error = bench.run(bench.import("/dev/zero")).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("it is a device"), "{cause}");
}

#[tokio::test]
async fn an_address_without_an_image_or_a_server_is_named() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().status = Some("404 Not Found");
    let error = bench.run(bench.import(&server.url())).await.unwrap_err().to_string();
    assert!(error.contains("the server answers 404 Not Found"), "{error}");
    let url = server.url();
    drop(server);
    let error = bench.run(bench.import(&url)).await.unwrap_err();
    assert!(matches!(error, ImportError::Unreachable { .. }), "{error}");
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn an_image_larger_than_the_disk_is_not_begun() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().length = Some(1 << 60);
    let error = bench.run(bench.import(&server.url())).await.unwrap_err();
    assert!(matches!(error, ImportError::NoSpace { .. }), "{error}");
    assert_eq!(bench.kinds(), [""; 0]);
}

#[tokio::test]
async fn a_certificate_has_to_be_trusted() {
    let bench = Bench::new();
    let (server, root) = Server::start_protected("bees", Site::with(image(1))).await;
    let network = |root| Network { roots: vec![root], ..Network::default() };
    let (_other, others_root) = Server::start_protected("wasps", Site::default()).await;
    let import = bench.import(&server.url()).with_network(network(others_root));
    let error = bench.run(import).await.unwrap_err().to_string();
    assert!(error.contains("this host does not know who issued it"), "{error}");
    assert!(error.contains("update-ca-certificates"), "{error}");

    let import = bench.import(&server.url()).with_network(network(root));
    assert_eq!(bench.run(import).await.unwrap().digest, sha256(&image(1)));
    assert!(!bench.was_told("nothing proves"));
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_has_come() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    server.site().silent = Some(150_000);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let events = Events::new(move |event| {
        if matches!(event, Event::Progress { done: Some(_), .. }) {
            stop.cancel();
        }
    });
    let error = bench.import(&server.url()).run(&events, &cancel).await.unwrap_err();
    assert!(matches!(error, ImportError::Cancelled), "{error}");
    server.site().silent = None;
    bench.run(bench.import(&server.url())).await.unwrap();
    assert!(server.asked()[1].starts_with("bytes="), "{:?}", server.asked());
}

#[tokio::test]
async fn the_second_of_two_waits_for_the_first() {
    let bench = Bench::new();
    let server = Server::start(Site::with(image(1))).await;
    let digest = Some(sha256(&image(1)).parse().unwrap());
    let import = bench.import(&server.url()).with_digest(digest);
    let cancel = CancellationToken::new();
    let events = bench.events();
    let (first, second) = tokio::join!(import.run(&events, &cancel), import.run(&events, &cancel));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(server.asked(), [""]);
    assert!(bench.was_told("waiting for the import by process"));
}
