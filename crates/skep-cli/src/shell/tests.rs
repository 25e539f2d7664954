use proptest::prelude::*;

use super::*;

const HOSTILE: &str = "/a b  c'd\"e$HOME`id`\\x!y*[z]{q,r}~;&|<>()#%^?“é”/";

fn endpoint(cert_path: &str) -> Endpoint {
    Endpoint {
        host: "tcp://172.28.0.2:2376".into(),
        cert_path: cert_path.into(),
        machine: "web1".into(),
    }
}

/// The text for each shell, to be read as a whole.
fn every_shell(settings: &[Setting], arguments: &str) -> String {
    let mut all = String::new();
    for shell in Shell::ALL {
        let text = env(shell, settings, &format!("skep env --shell {shell} {arguments}")).unwrap();
        write!(all, "---- {shell}\n{text}").unwrap();
    }
    all
}

#[test]
fn every_shell_is_told_in_its_words() {
    insta::assert_snapshot!(every_shell(&endpoint("/home/me/skep/certs").settings(None), "web1"));
}

#[test]
fn every_shell_is_told_a_hostile_path() {
    insta::assert_snapshot!(every_shell(&endpoint(HOSTILE).settings(None), "web1"));
}

#[test]
fn every_shell_is_told_to_forget() {
    let proxy = no_proxy(None, Some("a.example,172.28.0.2"), "");
    insta::assert_snapshot!(every_shell(&Endpoint::unset(Some(proxy)), "--unset --no-proxy"));
}

#[test]
fn every_shell_learns_dminit() {
    let all: String = Shell::ALL
        .iter()
        .map(|&shell| format!("---- {shell}\n{}", shell_init(shell, "skep")))
        .collect();
    insta::assert_snapshot!(all);
}

#[test]
fn the_proxy_is_kept_away_once() {
    let value = |lower, upper| {
        let setting = no_proxy(lower, upper, "10.0.0.1");
        format!("{}={}", setting.name, setting.value.unwrap())
    };
    assert_eq!(value(None, None), "NO_PROXY=10.0.0.1");
    assert_eq!(value(Some(""), Some("a.example")), "NO_PROXY=a.example,10.0.0.1");
    assert_eq!(value(Some("a.example"), Some("b.example")), "no_proxy=a.example,10.0.0.1");
    assert_eq!(value(Some("a.example, 10.0.0.1"), None), "no_proxy=a.example, 10.0.0.1");
    assert_eq!(value(Some("10.0.0.10"), None), "no_proxy=10.0.0.10,10.0.0.1");
}

#[test]
fn the_shell_that_reads_is_found() {
    let detect = |parent, login| Shell::detect(parent, login).map_err(|unknown| unknown.name);
    assert_eq!(detect(None, Some("/usr/bin/fish")), Ok(Shell::Fish));
    assert_eq!(detect(Some("-bash"), Some("/usr/bin/fish")), Ok(Shell::Bash));
    assert_eq!(detect(Some("make"), Some("/bin/zsh")), Ok(Shell::Zsh));
    assert_eq!(
        detect(Some(r"C:\Program Files\PowerShell\7\pwsh.exe"), None),
        Ok(Shell::PowerShell)
    );
    assert_eq!(detect(Some("nu"), None), Ok(Shell::Nu));
    assert_eq!(detect(None, Some("/bin/csh")), Ok(Shell::Tcsh));
    assert_eq!(detect(None, Some("/usr/bin/elvish")), Err("elvish".into()));
    assert_eq!(detect(Some("sshd"), None), Err(String::new()));
}

#[test]
fn every_shell_is_known_by_its_name() {
    for shell in Shell::ALL {
        assert_eq!(shell.name().parse(), Ok(shell));
    }
    assert_eq!(
        "bogus".parse::<Shell>().unwrap_err().to_string(),
        "`bogus` is not a shell skep knows; say which shell reads this: \
         --shell bash|zsh|fish|powershell|cmd|tcsh|nu|sh|emacs"
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    for character in ['\n', '\t', '\0', '\u{7f}', '\u{85}'] {
        for shell in Shell::ALL {
            let path = format!("/a{character}b");
            let error = env(shell, &endpoint(&path).settings(None), "skep env").unwrap_err();
            assert_eq!(error, Unsayable { name: "DOCKER_CERT_PATH".into(), character });
        }
    }
}

proptest! {
    /// One line for a setting, one for the comment's start and one for its end, whatever is
    /// handed in: no value and no command line can add a line of its own.
    #[test]
    fn nothing_handed_in_adds_a_line(value in "\\PC{0,40}", command in "(?s).{0,40}") {
        let settings = endpoint(&value).settings(None);
        for shell in Shell::ALL {
            let text = env(shell, &settings, &command).unwrap();
            let braces = if shell == Shell::Nu { 2 } else { 0 };
            prop_assert_eq!(text.lines().count(), 4 + braces + 2, "{}", text);
        }
    }
}
