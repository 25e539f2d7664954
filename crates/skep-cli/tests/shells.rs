//! What `skep env` prints, read by the real shells: each variable arrives byte for byte.
//!
//! Every shell that is installed is asked; bash must be. Which were not is said on standard
//! error. PowerShell, cmd and Nushell are checked by snapshot only (`src/shell/tests.rs`): no
//! package of Debian's has them.

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, path::Path};

use skep_cli::shell::{Endpoint, Setting, Shell, env, no_proxy, shell_init};
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

const PATHS: [&str; 16] = [
    "/home/me/.local/share/skep/certs",
    "/a b/c",
    "/a  b   c/ ",
    " /a",
    "/it's",
    "/say \"so\"",
    "/$HOME/${HOME}/$(id)/`id`",
    r"/a\b\\c\",
    r"/\!a\\!b!c!",
    "/!!/!$/^a^b",
    "/*/?/[a-z]/{a,b}/~",
    "~/a",
    "/a;b&c|d<e>f(g)#h%i=j,k@l:m+n",
    "/'\"'\"/\"'\"'",
    "/ünï/日本/🐝/“quoted”",
    "-n",
];

/// A real shell, and the ways its users have it read what a program printed. In each way,
/// `{skep}` is the command; `{env}` then writes down the environment.
struct Reader {
    shell: Shell,
    program: &'static str,
    flags: &'static [&'static str],
    ways: &'static [&'static str],
    dminit: &'static str,
}

const POSIX: &[&str] =
    &["eval \"$({skep})\"; {env}", "eval $({skep}); {env}", "{skep} > ./script; . ./script; {env}"];
const POSIX_DMINIT: &str = "eval \"$({init})\"; dminit 'web 1' && {env}";

const READERS: [Reader; 7] = [
    Reader {
        shell: Shell::Bash,
        program: "bash",
        flags: &["--norc", "-c"],
        ways: POSIX,
        dminit: POSIX_DMINIT,
    },
    Reader { shell: Shell::Sh, program: "sh", flags: &["-c"], ways: POSIX, dminit: POSIX_DMINIT },
    Reader {
        shell: Shell::Zsh,
        program: "zsh",
        flags: &["-f", "-c"],
        ways: POSIX,
        dminit: POSIX_DMINIT,
    },
    Reader {
        shell: Shell::Fish,
        program: "fish",
        flags: &["--no-config", "-c"],
        ways: &["eval ({skep}); {env}", "{skep} | source; {env}"],
        dminit: "{init} | source; dminit 'web 1'; and {env}",
    },
    Reader {
        shell: Shell::Tcsh,
        program: "tcsh",
        flags: &["-f", "-c"],
        ways: &["eval \"`{skep}`\"; {env}", "{skep} > ./script; source ./script; {env}"],
        dminit: "{init} > ./init\nsource ./init\ndminit 'web 1'\n{env}",
    },
    Reader {
        shell: Shell::Tcsh,
        program: "csh",
        flags: &["-f", "-c"],
        ways: &["eval \"`{skep}`\"; {env}"],
        dminit: "{init} > ./init\nsource ./init\ndminit 'web 1'\n{env}",
    },
    Reader {
        shell: Shell::Emacs,
        program: "emacs",
        flags: &["--batch", "--quick", "--eval"],
        ways: &[
            "(progn (with-temp-buffer (shell-command \"{skep}\" (current-buffer)) (eval-buffer)) \
                 (call-process \"sh\" nil nil nil \"-c\" \"{env}\"))",
        ],
        dminit: "(progn (with-temp-buffer (shell-command \"{init}\" (current-buffer)) (eval-buffer)) \
                 (dminit \"web 1\") (call-process \"sh\" nil nil nil \"-c\" \"{env}\"))",
    },
];

/// What `{env}` stands for.
const ENV: &str = "env -0 > ./environment";

/// Runs a script of the reader's language in `directory` and gives the environment it wrote down,
/// or `None` if the shell is not installed.
async fn environment(
    reader: &Reader,
    script: &str,
    directory: &Path,
) -> Option<BTreeMap<String, String>> {
    let mut program = Program::new(reader.program).args(reader.flags).arg(script);
    // Variables that are there before must not pass for set, nor survive being unset.
    for name in ["DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "NO_PROXY"] {
        program = program.env(name, "before");
    }
    match program.directory(directory).run(&CancellationToken::new()).await {
        Err(ProcessError::NotFound { .. }) => return None,
        result => result.unwrap_or_else(|error| panic!("{}: {error}\n{script}", reader.program)),
    };
    let file = directory.join("environment");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    Some(
        text.split('\0')
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}

/// Writes `text` to a file of `directory` and gives the command that prints it.
fn printed(directory: &Path, name: &str, text: &str) -> String {
    std::fs::write(directory.join(name), text).unwrap();
    format!("cat {name}")
}

fn settings(path: &str) -> Vec<Setting> {
    let endpoint = Endpoint {
        host: "tcp://[fd00::2]:2376".into(),
        cert_path: path.into(),
        machine: "web1".into(),
    };
    endpoint.settings(Some(no_proxy(None, Some("*.example, 10.0.0.0/8"), "fd00::2")))
}

/// Says which shells were not there, and fails if bash, which every development machine has, was
/// not: then nothing was proven.
fn conclude(missing: &[&str]) {
    if !missing.is_empty() {
        let mut said = String::new();
        writeln!(said, "NOT CHECKED, not installed: {}", missing.join(", ")).unwrap();
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    assert!(!missing.contains(&"bash"), "bash is not installed: nothing was proven");
}

#[tokio::test]
async fn every_value_arrives_byte_for_byte() {
    let mut missing = Vec::new();
    for reader in &READERS {
        'paths: for path in PATHS {
            let directory = tempfile::tempdir().unwrap();
            let settings = settings(path);
            let text = env(reader.shell, &settings, "skep env web1").unwrap();
            let skep = printed(directory.path(), "printed", &text);
            for way in reader.ways {
                let script = way.replace("{skep}", &skep).replace("{env}", ENV);
                let Some(found) = environment(reader, &script, directory.path()).await else {
                    missing.push(reader.program);
                    break 'paths;
                };
                for setting in &settings {
                    assert_eq!(
                        found.get(&setting.name),
                        setting.value.as_ref(),
                        "{}: {script}\n{text}",
                        reader.program
                    );
                }
            }
        }
    }
    conclude(&missing);
}

#[tokio::test]
async fn every_variable_is_gone_after_unset() {
    let mut missing = Vec::new();
    for reader in &READERS {
        let directory = tempfile::tempdir().unwrap();
        let settings = Endpoint::unset(Some(no_proxy(None, None, "")));
        let text = env(reader.shell, &settings, "skep env --unset").unwrap();
        let skep = printed(directory.path(), "printed", &text);
        for way in reader.ways {
            let script = way.replace("{skep}", &skep).replace("{env}", ENV);
            match environment(reader, &script, directory.path()).await {
                None => missing.push(reader.program),
                Some(found) => {
                    assert!(found.contains_key("PATH"), "{}: {script}", reader.program);
                    for setting in &settings {
                        assert!(!found.contains_key(&setting.name), "{}", reader.program);
                    }
                }
            }
        }
    }
    missing.dedup();
    conclude(&missing);
}

/// `dminit` hands its argument on as one word, takes over what comes back, and completions are
/// asked for; also when skep itself lies under a hostile path.
#[tokio::test]
async fn dminit_does_what_env_does() {
    use std::os::unix::fs::PermissionsExt;

    let mut missing = Vec::new();
    for reader in &READERS {
        for place in ["bin", "it's $HOME  `id` \"q\" \\!x"] {
            let directory = tempfile::tempdir().unwrap();
            let place = directory.path().join(place);
            std::fs::create_dir(&place).unwrap();
            let text = env(reader.shell, &settings(PATHS[6]), "skep env web1").unwrap();
            std::fs::write(directory.path().join("printed"), text).unwrap();
            let skep = place.join("skep");
            let fake = format!(
                "#!/bin/sh\n\
                 [ \"$(printf '%s|' \"$@\")\" = 'env|--shell|{}|web 1|' ] && cat printed\n\
                 [ \"$1\" = completions ] && : > \"completions-$2\"\n\
                 exit 0\n",
                reader.shell
            );
            std::fs::write(&skep, fake).unwrap();
            std::fs::set_permissions(&skep, std::fs::Permissions::from_mode(0o755)).unwrap();
            let init = shell_init(reader.shell, skep.to_str().unwrap());
            let init_command = printed(directory.path(), "init-text", &init);
            let script = reader.dminit.replace("{init}", &init_command).replace("{env}", ENV);
            let Some(found) = environment(reader, &script, directory.path()).await else {
                missing.push(reader.program);
                break;
            };
            let path = found.get("DOCKER_CERT_PATH").map(String::as_str);
            assert_eq!(path, Some(PATHS[6]), "{}: {script}\n{init}", reader.program);
            if matches!(reader.shell, Shell::Bash | Shell::Zsh | Shell::Fish) {
                let asked = directory.path().join(format!("completions-{}", reader.shell));
                assert!(asked.exists(), "{}", reader.program);
            }
        }
    }
    conclude(&missing);
}
