//! How much is read of what, in bytes. Each is far above what is ever needed, and far below what
//! would fill a machine's memory.

/// A secret. Source: swarmkit, `manager/controlapi/secret.go`: less than 500 KiB.
pub const SECRET: u64 = 500 * 1024 - 1;

/// A config. Source: swarmkit, `manager/controlapi/config.go`: less than 1000 KiB.
pub const CONFIG: u64 = 1000 * 1024 - 1;

/// A Compose file. The largest ones that are published have some thousand lines.
pub const COMPOSE_FILE: u64 = 8 << 20;

/// A file of environment variables.
pub const ENV_FILE: u64 = 1 << 20;

/// A line of such a file. Source: Go's `bufio.MaxScanTokenSize`, with which docker reads it
/// (`opts/file.go`); the line's end counts.
pub const ENV_LINE: usize = 64 * 1024 - 1;

/// A private or public key, a list of known hosts.
pub const KEY: u64 = 64 * 1024;

/// A file of certificates. A whole system's bundle of roots has about 250 KiB.
pub const CERTIFICATES: u64 = 4 << 20;

/// A record of the store's, or another program's configuration: JSON of some pages.
pub const RECORD: u64 = 16 << 20;

/// A journal: about 150 bytes for each machine that is made and removed.
pub const JOURNAL: u64 = 64 << 20;

/// What the system says about itself, under `/proc`, `/sys` and `/etc`. The longest is
/// `/proc/net/udp`, 128 bytes for each socket.
pub const SYSTEM: u64 = 8 << 20;

/// One answer of an engine that is kept whole. A list of 10,000 tasks has about 30 MB.
pub const ENGINE_ANSWER: u64 = 64 << 20;

/// What a person answers to a question.
pub const ANSWER: u64 = 4096;
