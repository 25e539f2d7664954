//! The bootable ISO, really booted: a PC without KVM, its firmware a BIOS, a disk as docker-machine
//! makes it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use skep_tests::{Lab, Run};

/// How long building the ISO may take, with the guest system of which it is made.
const BUILD: Duration = Duration::from_secs(600);

/// How long the machine may be silent on its way up; emulated, beside other tests, it is slow.
const SILENCE: Duration = Duration::from_secs(150);

/// How big the disk is, in bytes. Hardly any of it is ever written.
const DISK: u64 = 4 << 30;

/// A machine that knows nothing but who may log in: it formats its disk, gets an address, lets that
/// key in, runs an engine, and ends when its power button is pressed.
pub(crate) fn a_disk_of_docker_machines_is_taken_over() {
    let lab = Lab::with_machines("iso");
    lab.bare(["os", "build", "--iso"]).within(BUILD).succeeds();
    let listed = lab.bare(["os", "ls", "--format", "json"]).succeeds();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let mut systems = listed["systems"].as_array().unwrap().iter();
    let iso = systems.find(|system| system["kind"] == "iso" && system["current"] == true).unwrap();
    assert!(iso["size"].as_u64().unwrap() < 300_000_000, "{iso}");

    let key = lab.files().join("key");
    let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
    Run::program("ssh-keygen").args(words).args([&key]).succeeds();
    let disk = lab.files().join("disk");
    write_disk(&disk, &fs_err::read(key.with_extension("pub")).unwrap());

    let mut machine = Machine::start(lab.files(), Path::new(iso["path"].as_str().unwrap()), &disk);
    machine.console_says("API listen on /run/docker.sock");
    let ran = machine
        .ssh(&key, "docker version --format {{.Server.Os}}; findmnt -no FSTYPE /var/lib/docker");
    assert_eq!(ran.lines(), ["linux", "ext4"], "{ran}");
    machine.press_power_button();
    machine.console_says("Daemon shutdown complete");
    machine.ends();

    let mut file = fs_err::File::open(&disk).unwrap();
    file.seek(SeekFrom::Start(1024 + 120)).unwrap();
    let mut label = [0; 9];
    file.read_exact(&mut label).unwrap();
    assert_eq!(&label, b"skep-data");
}

/// A disk that asks to be formatted, with the key of who may log in, as docker-machine writes it.
fn write_disk(path: &Path, key: &[u8]) {
    const MAGIC: &str = "boot2docker, please format-me";
    let mut archive = Vec::new();
    for (name, content) in [(MAGIC, MAGIC.as_bytes()), (".ssh/authorized_keys", key)] {
        archive.extend(tar_entry(name, content));
    }
    fs_err::write(path, archive).unwrap();
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(DISK).unwrap();
}

/// One file in a tar (POSIX.1-1988, ustar).
fn tar_entry(name: &str, content: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 512];
    let mut field = |offset: usize, text: &str| {
        entry[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    };
    field(0, name);
    field(100, "0000600\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", content.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\u{0}00");
    let sum: u32 = entry.iter().map(|byte| u32::from(*byte)).sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// A PC that QEMU emulates; dropping it pulls its plug.
struct Machine {
    console: BufReader<UnixStream>,
    monitor: BufReader<UnixStream>,
    seen: String,
}

impl Machine {
    fn start(directory: &Path, iso: &Path, disk: &Path) -> Self {
        let socket = |name: &str| directory.join(name).display().to_string();
        let listening = |name| format!("unix:{},server=on,wait=off", socket(name));
        Run::program("qemu-system-x86_64")
            .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-vga", "std"])
            .args(["-serial", &listening("console"), "-qmp", &listening("monitor")])
            .args(["-cdrom", &iso.display().to_string(), "-boot", "d"])
            .args(["-drive", &format!("file={},format=raw,cache=unsafe", disk.display())])
            .args(["-netdev", "user,id=net,hostfwd=tcp:127.0.0.1:0-:22"])
            .args(["-device", "e1000,netdev=net", "-daemonize"])
            .succeeds();
        let connect = |name: &str| {
            let stream =
                UnixStream::connect(socket(name)).expect("QEMU listens once it has started");
            stream.set_read_timeout(Some(SILENCE)).unwrap();
            BufReader::new(stream)
        };
        let (console, monitor) = (connect("console"), connect("monitor"));
        let mut machine = Self { console, monitor, seen: String::new() };
        machine.ask("qmp_capabilities", json!({}));
        machine
    }

    /// Reads the console until a line has this text.
    #[track_caller]
    fn console_says(&mut self, text: &str) {
        loop {
            let mut line = Vec::new();
            let read = self.console.read_until(b'\n', &mut line);
            let line = String::from_utf8_lossy(&line);
            self.seen.push_str(&line);
            if line.contains(text) {
                return;
            }
            assert!(read.is_ok_and(|length| length > 0), "`{text}` never came:\n{}", self.seen);
        }
    }

    fn ssh(&mut self, key: &Path, command: &str) -> skep_tests::Ran {
        let known = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
        Run::program("ssh")
            .args(known.iter().flat_map(|option| ["-o", option]))
            .args(["-p", &self.ssh_port(), "-i"])
            .args([key])
            .args(["docker@127.0.0.1", command])
            .succeeds()
    }

    /// The port that QEMU chose: the fourth word of the line about it.
    fn ssh_port(&mut self) -> String {
        let usernet = self.ask("human-monitor-command", json!({ "command-line": "info usernet" }));
        let usernet = usernet["return"].as_str().unwrap();
        let line = usernet.lines().find(|line| line.contains("HOST_FORWARD")).expect(usernet);
        line.split_whitespace().nth(3).expect(line).to_owned()
    }

    fn press_power_button(&mut self) {
        self.ask("system_powerdown", json!({}));
    }

    /// Waits for QEMU's end.
    #[track_caller]
    fn ends(mut self) {
        let mut rest = String::new();
        let read = self.monitor.read_to_string(&mut rest);
        assert!(read.is_ok(), "the machine still runs:\n{}", self.seen);
    }

    /// Sends QEMU a command; events are ignored. The end of its answers is an answer of null.
    fn ask(&mut self, command: &str, arguments: Value) -> Value {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.monitor.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        while self.monitor.read_line(&mut line).unwrap() > 0 {
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer.get("return").is_some() {
                return answer;
            }
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            line.clear();
        }
        Value::Null
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended.
        let _ = writeln!(self.monitor.get_mut(), "{}", json!({ "execute": "quit" }));
    }
}
