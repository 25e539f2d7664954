//! The fake VBoxManage against the real one: for the same calls, in the same order, it prints the
//! same and exits with the same status. Tests without VirtualBox rely on this fake, so it has to
//! be accurate.

use std::{fmt::Write as _, net::Ipv4Addr, path::Path};

use skep_tests::vboxmanage::{Script, Settings, state::Interface};

/// One recorded call.
struct Recorded {
    name: &'static str,
    words: Vec<String>,
    code: i32,
    out: &'static str,
    err: &'static str,
}

impl Recorded {
    fn read(text: &'static str) -> Self {
        let (name, rest) = text.split_once('\n').unwrap();
        let (command, rest) = rest.split_once('\n').unwrap();
        let (code, rest) = rest.split_once("\n--- stdout ---\n").unwrap();
        let (out, rest) = rest.split_once("--- stderr ---\n").unwrap();
        let (err, _) = rest.split_once("--- end ---").unwrap();
        let words = command.strip_prefix("command: VBoxManage ").unwrap().split(' ');
        let words = words.map(|word| word.replace("\\,", ",")).collect();
        let code = code.strip_prefix("exit: ").unwrap().parse().unwrap();
        Self { name, words, code, out, err }
    }
}

/// What was otherwise when this was recorded than for what came before it.
fn meanwhile(name: &str, script: &Script, settings: &mut Settings, root: &Path) {
    let conf = settings.networks_conf.clone();
    match name.split('-').next().unwrap() {
        "001" | "003" => settings.warning = true,
        "002" | "005" => settings.warning = false,
        "110" => script.change(|state| {
            let here = Ipv4Addr::new(192, 168, 56, 1);
            let interface = Interface {
                name: "vboxnet0".into(),
                uuid: "f0000152-dae8-4abf-8000-fa7233fe2797".into(),
                address: here,
                mask: Ipv4Addr::new(255, 255, 255, 0),
                mac: "fa7233fe2797".into(),
                up: true,
            };
            state.interfaces.push(interface);
        }),
        "113" => fs_err::write(conf, "* 192.168.99.0/24\n").unwrap(),
        "113c" => fs_err::write(conf, "* 0.0.0.0/0 ::/0\n").unwrap(),
        "120" | "160" => settings.modules = true,
        "140" => settings.modules = false,
        // During the recording the machine was switched off in between.
        "200" | "233" => {
            script.call(["controlvm", "t", "poweroff"]).ends();
            script.call(["modifyvm", "t", "--nic2", "none"]).ends();
        }
        "230" => {
            let adapter = ["modifyvm", "t", "--nic2", "hostonly", "--hostonlyadapter2", "vboxnet0"];
            script.change(|state| state.interfaces.clear());
            script.call(adapter).ends();
        }
        "222" => {
            let leftover = root.join("store/machines/default/default/leftover");
            fs_err::create_dir_all(leftover).unwrap();
        }
        _ => {}
    }
    script.set(settings);
}

#[test]
fn it_says_what_virtualbox_said() {
    let files = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp").unwrap();
    let root = files.path();
    fs_err::create_dir_all(root.join("Users")).unwrap();
    for store in ["machines/default", "sp", "t", "lin"] {
        fs_err::create_dir_all(root.join("store").join(store)).unwrap();
    }
    fs_err::write(root.join("tiny.iso"), vec![0; 4096]).unwrap();
    fs_err::write(root.join("floppy.img"), vec![0; 1_474_560]).unwrap();
    let mut settings = Settings {
        modules: false,
        vtx: false,
        obeys_the_button: false,
        networks_conf: root.join("networks.conf"),
        ..Settings::default()
    };
    let script = Script::new(&settings);
    let recorded = include_str!("fixtures/virtualbox/recorded.txt");
    let all: Vec<_> = recorded.split("=== ").skip(1).map(Recorded::read).collect();
    assert_eq!(all.len(), CALLS);
    let mut differences = String::new();
    for one in &all {
        meanwhile(one.name, &script, &mut settings, root);
        let here = root.display().to_string();
        let mut words: Vec<_> = one.words.iter().map(|word| word.replace("/srv", &here)).collect();
        if one.name == "068-unregister-by-uuid" {
            words[1] = script.state().machines[1].uuid.clone();
        }
        let ran = script.call(words.iter().map(String::as_str)).stdin(vec![b'x'; 512]).ends();
        let said = [ran.stdout, ran.stderr].map(|text| plain(&text.replace(&here, "/srv")));
        let expected = [plain(one.out), plain(one.err)];
        if (said.as_slice(), ran.code) != (expected.as_slice(), Some(one.code)) {
            let _ = write!(
                differences,
                "\n===== {}\nstatus {:?} for {}\n{}",
                one.name,
                ran.code,
                one.code,
                first_difference(&said, &expected)
            );
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// How many calls were recorded: so that none is lost by how they are read.
const CALLS: usize = 165;

fn first_difference(said: &[String; 2], expected: &[String; 2]) -> String {
    let mut text = String::new();
    for (said, expected) in said.iter().zip(expected) {
        let (mut ours, mut theirs) = (said.lines(), expected.lines());
        loop {
            let (our, their) = (ours.next(), theirs.next());
            if our != their {
                let _ = write!(text, "  said     {our:?}\n  expected {their:?}\n");
                break;
            }
            if our.is_none() {
                break;
            }
        }
    }
    text
}

/// Without what is another each time: identities, addresses of cards, times.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for line in text.split_inclusive('\n') {
        let another = ["HardwareAddress:", "macaddress", "VMStateChangeTime=", "Host time:"];
        if let Some(key) = another.iter().find(|key| line.starts_with(**key)) {
            plain += &format!("{key} ...\n");
            continue;
        }
        let line = without_uuids(line);
        if let Some((before, rest)) = line.split_once("MAC: ") {
            plain += &format!("{before}MAC: ...{}", &rest[12..]);
            continue;
        }
        if let Some((before, _)) = line.split_once(" (since ") {
            plain += &format!("{before} (since ...)\n");
            continue;
        }
        match line.split_once("' @ ") {
            Some((before, _)) => plain += &format!("{before}' @ ...\n"),
            None => plain += &line,
        }
    }
    plain
}

fn without_uuids(line: &str) -> String {
    let bytes = line.as_bytes();
    let is_uuid = |at: usize| {
        bytes.get(at..at + 36).is_some_and(|part| {
            part.iter().enumerate().all(|(place, byte)| match place {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        })
    };
    let (mut text, mut at) = (String::new(), 0);
    while at < line.len() {
        if is_uuid(at) {
            text += "UUID";
            at += 36;
        } else {
            let length = line[at..].chars().next().map_or(1, char::len_utf8);
            text += &line[at..at + length];
            at += length;
        }
    }
    text
}

#[test]
fn it_takes_the_spellings_that_virtualbox_takes() {
    let script = Script::new(&Settings::default());
    let folder = script.directory().join("machines").display().to_string();
    script.call(["createvm", "--basefolder", &folder, "--name", "sp", "--register"]).succeeds();
    let table = include_str!("fixtures/virtualbox/spellings.txt");
    let mut rows = 0;
    for row in table.lines().filter(|line| line.starts_with("--")) {
        let (option, result) = row.split_once(" rc=").unwrap();
        let (code, first) = result.split_once(' ').unwrap();
        let words = ["modifyvm", "sp"].into_iter().chain(option.split_whitespace());
        let ran = script.call(words).ends();
        let said = ran.stderr.lines().next().unwrap_or_default();
        assert_eq!((ran.code, said), (code.parse().ok(), first.trim_end()), "{option}");
        rows += 1;
    }
    assert_eq!(rows, 106);
}

/// Before 7.0 there was one spelling of each option.
#[test]
fn an_older_one_takes_the_older_spellings_only() {
    let script = Script::new(&Settings { version: "6.1.50r161033".into(), ..Settings::default() });
    let folder = script.directory().join("machines").display().to_string();
    script.call(["createvm", "--basefolder", &folder, "--name", "sp", "--register"]).succeeds();
    script.call(["modifyvm", "sp", "--nictype1", "Am79C973"]).succeeds();
    let ran = script.call(["modifyvm", "sp", "--nic-type1", "Am79C973"]).exits(1);
    ran.says("Unknown option: --nic-type1");
}
