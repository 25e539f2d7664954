use super::*;

const BOOKWORM: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";
const NOBLE: &str = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n";

/// A host made of files; keyrings are there unless a test leaves them out.
fn host(os_release: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let keyrings = [
        ("usr/share/keyrings/debian-archive-keyring.gpg", ""),
        ("usr/share/keyrings/ubuntu-archive-keyring.gpg", ""),
    ];
    for (path, content) in files.iter().chain(&keyrings).chain(&[("etc/os-release", os_release)]) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn lines(os_release: &str, files: &[(&str, &str)]) -> Vec<String> {
    let source = Source::detect(host(os_release, files).path()).unwrap();
    source.mirrors.iter().map(Mirror::line).collect()
}

#[test]
fn debian_with_deb822_and_security() {
    let sources = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
        Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\n\
        Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
    assert_eq!(
        lines(BOOKWORM, &[("etc/apt/sources.list.d/debian.sources", sources)]),
        [
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main",
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian-security trixie-security main",
        ]
    );
}

#[test]
fn debian_with_one_line_sources_among_vendors() {
    let vendors = "deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/debian bookworm main\n\
        deb https://vendor.example/debian/12/prod bookworm main\n\
        deb https://download.vendor.example/linux/debian bookworm stable\n";
    let own = "deb http://ftp.example/debian/ stable main non-free-firmware\n\
        deb http://ftp.example/debian stable-updates main\n";
    assert_eq!(
        lines(
            BOOKWORM,
            &[("etc/apt/sources.list.d/a.list", vendors), ("etc/apt/sources.list", own)]
        ),
        [
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://ftp.example/debian trixie main"
        ]
    );
}

#[test]
fn a_mirror_list_stands_for_its_first_address() {
    let sources = "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n";
    let list =
        "# fastest first\nhttps://one.example/debian priority:1\nhttps://two.example/debian\n";
    let files =
        [("etc/apt/sources.list.d/debian.sources", sources), ("etc/apt/mirrors/debian.list", list)];
    assert!(lines(BOOKWORM, &files)[0].ends_with(" https://one.example/debian trixie main"));
}

#[test]
fn ubuntu_takes_its_own_release_with_universe_and_leaves_personal_archives() {
    let sources = "Types: deb\nURIs: https://ppa.launchpadcontent.net/bee/hive/ubuntu/\nSuites: noble\nComponents: main\n\n\
        Types: deb\nURIs: http://archive.example/ubuntu/\nSuites: noble noble-updates noble-backports\n\
        Components: main restricted universe multiverse\n\
        Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://security.example/ubuntu/\nSuites: noble-security\nComponents: main universe\n\
        Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n";
    let key = "[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]";
    assert_eq!(
        lines(NOBLE, &[("etc/apt/sources.list.d/ubuntu.sources", sources)]),
        [
            format!("deb {key} http://archive.example/ubuntu noble main universe"),
            format!("deb {key} http://archive.example/ubuntu noble-updates main universe"),
            format!("deb {key} http://security.example/ubuntu noble-security main universe"),
        ]
    );
}

#[test]
fn what_is_missing_is_said_with_its_fix() {
    let told = |root: &tempfile::TempDir| {
        let error = Source::detect(root.path()).unwrap_err().to_string();
        error.replace(&*root.path().to_string_lossy(), "ROOT")
    };
    let disabled =
        "Enabled: no\nTypes: deb\nURIs: http://m/debian\nSuites: bookworm\nComponents: main\n";
    let no_keyring =
        host(BOOKWORM, &[("etc/apt/sources.list", "deb http://m/debian bookworm main\n")]);
    fs::remove_dir_all(no_keyring.path().join("usr/share/keyrings")).unwrap();
    let other_keyring =
        "deb [signed-by=/etc/apt/debian-archive-of-ours.gpg] http://m/debian bookworm main\n";
    let texts = [
        told(&host("ID=fedora\nPRETTY_NAME=\"Fedora Linux 42\"\n", &[])),
        told(&tempfile::tempdir().unwrap()),
        told(&host(BOOKWORM, &[("etc/apt/sources.list.d/debian.sources", disabled)])),
        told(&host(
            BOOKWORM,
            &[("etc/apt/sources.list", "deb cdrom:[Debian 12]/ bookworm main\n")],
        )),
        told(&no_keyring),
        told(&host(BOOKWORM, &[("etc/apt/sources.list", other_keyring)])),
    ];
    insta::assert_snapshot!(texts.join("\n"));
}

#[test]
fn a_source_for_another_architecture_is_none() {
    let foreign = "deb [arch=m68k] http://m/debian bookworm main\n";
    let root = host(BOOKWORM, &[("etc/apt/sources.list", foreign)]);
    assert!(matches!(Source::detect(root.path()), Err(SourceError::NoSource { .. })));
}
