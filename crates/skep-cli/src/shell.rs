//! What `skep env` and `skep shell-init` print: text for a shell to evaluate.
//!
//! The texts are docker-machine's (its `env` command), with each value quoted so that it arrives
//! byte for byte, whatever characters a path has; `docs/differences.md` says where they differ.
//!
//! Pure: the environment, the name of the parent process and the program's name are handed in.

mod init;
mod quote;

use std::{fmt, fmt::Write as _, str::FromStr};

pub use init::shell_init;

/// A shell, or what is treated as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shell {
    /// Any POSIX shell: sh, dash, ash, ksh.
    Sh,
    Bash,
    Zsh,
    Fish,
    /// Tcsh and csh.
    Tcsh,
    PowerShell,
    /// The Windows command interpreter.
    Cmd,
    Nu,
    Emacs,
}

impl Shell {
    /// All shells, in the order they are listed to people.
    pub const ALL: [Shell; 9] = [
        Shell::Bash,
        Shell::Zsh,
        Shell::Fish,
        Shell::PowerShell,
        Shell::Cmd,
        Shell::Tcsh,
        Shell::Nu,
        Shell::Sh,
        Shell::Emacs,
    ];

    /// The name by which `--shell` knows it.
    pub fn name(self) -> &'static str {
        match self {
            Shell::Sh => "sh",
            Shell::Bash => "bash",
            Shell::Zsh => "zsh",
            Shell::Fish => "fish",
            Shell::Tcsh => "tcsh",
            Shell::PowerShell => "powershell",
            Shell::Cmd => "cmd",
            Shell::Nu => "nu",
            Shell::Emacs => "emacs",
        }
    }

    /// The shell that will read what is printed: the parent process if it is a shell, for that
    /// is where `eval` runs, else the login shell.
    ///
    /// `parent` is the parent process's name (`fish`, `-bash`, `/bin/zsh`), `login` the value of
    /// `$SHELL`. docker-machine looks at `$SHELL` alone: without a `parent` so does this.
    ///
    /// # Errors
    /// [`UnknownShell`] with the value of `$SHELL`, empty if it has none.
    pub fn detect(parent: Option<&str>, login: Option<&str>) -> Result<Self, UnknownShell> {
        if let Some(shell) = parent.and_then(|parent| program_name(parent).parse().ok()) {
            return Ok(shell);
        }
        program_name(login.unwrap_or_default()).parse()
    }
}

/// A program's name out of its path or the name it runs under; a login shell has a hyphen before.
fn program_name(program: &str) -> &str {
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
    file.strip_prefix('-').unwrap_or(file)
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no known shell's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}; say which shell reads this: --shell {}",
    if .name.is_empty() { "the shell is unknown".into() } else { format!("`{}` is not a shell skep knows", .name) },
    Shell::ALL.map(Shell::name).join("|")
)]
pub struct UnknownShell {
    pub name: String,
}

impl FromStr for Shell {
    type Err = UnknownShell;

    fn from_str(name: &str) -> Result<Self, UnknownShell> {
        let lower = name.to_ascii_lowercase();
        match lower.strip_suffix(".exe").unwrap_or(&lower) {
            "sh" | "dash" | "ash" | "busybox" | "ksh" | "mksh" | "yash" => Ok(Shell::Sh),
            "bash" => Ok(Shell::Bash),
            "zsh" => Ok(Shell::Zsh),
            "fish" => Ok(Shell::Fish),
            "tcsh" | "csh" => Ok(Shell::Tcsh),
            "powershell" | "pwsh" => Ok(Shell::PowerShell),
            "cmd" => Ok(Shell::Cmd),
            "nu" | "nushell" => Ok(Shell::Nu),
            "emacs" => Ok(Shell::Emacs),
            _ => Err(UnknownShell { name: name.to_owned() }),
        }
    }
}

/// One variable to be set, or with no value unset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    /// Its value; `None` unsets it.
    pub value: Option<String>,
}

/// The variables that lead `docker` to one machine's engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The engine's address: `tcp://172.28.0.2:2376`.
    pub host: String,
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`.
    pub cert_path: String,
    pub machine: String,
}

impl Endpoint {
    /// The settings that lead to it, `no_proxy` (see [`no_proxy`]) among them if given.
    pub fn settings(&self, no_proxy: Option<Setting>) -> Vec<Setting> {
        let set = |name: &str, value: &str| Setting {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        };
        let mut settings = vec![
            set("DOCKER_TLS_VERIFY", "1"),
            set("DOCKER_HOST", &self.host),
            set("DOCKER_CERT_PATH", &self.cert_path),
            set("DOCKER_MACHINE_NAME", &self.machine),
        ];
        settings.extend(no_proxy);
        settings
    }

    /// The settings that lead nowhere any more: all of [`Endpoint::settings`] unset.
    pub fn unset(no_proxy: Option<Setting>) -> Vec<Setting> {
        let names = ["DOCKER_TLS_VERIFY", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_MACHINE_NAME"];
        let no_proxy = no_proxy.map(|setting| setting.name);
        names
            .into_iter()
            .map(str::to_owned)
            .chain(no_proxy)
            .map(|name| Setting { name, value: None })
            .collect()
    }
}

/// The variable that keeps traffic to `address` from a proxy: what it holds, and `address` once.
///
/// `lower` and `upper` are the values of `no_proxy` and `NO_PROXY`; the first that is not empty
/// is the one that counts, as with docker-machine.
pub fn no_proxy(lower: Option<&str>, upper: Option<&str>, address: &str) -> Setting {
    let (name, held) = match (lower, upper) {
        (Some(held), _) if !held.is_empty() => ("no_proxy", held),
        (_, upper) => ("NO_PROXY", upper.unwrap_or_default()),
    };
    let value = if held.is_empty() {
        address.to_owned()
    } else if held.split(',').any(|entry| entry.trim() == address) {
        held.to_owned()
    } else {
        format!("{held},{address}")
    };
    Setting { name: name.to_owned(), value: Some(value) }
}

/// A value with a character that no line of a shell's text can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the value of {name} has the control character {character:?}, which shells cannot be told safely; use a path without it (SKEP_HOME)"
)]
pub struct Unsayable {
    pub name: String,
    pub character: char,
}

/// The text that makes `shell` take over `settings`, ending with a comment that says how.
///
/// `command_line` is the command as it was typed, for that comment: `skep env --shell fish web1`.
///
/// # Errors
/// [`Unsayable`] if a value has a control character.
pub fn env(shell: Shell, settings: &[Setting], command_line: &str) -> Result<String, Unsayable> {
    let mut text = String::new();
    for setting in settings {
        let control = setting.value.iter().flat_map(|value| value.chars()).find(|c| c.is_control());
        if let Some(character) = control {
            return Err(Unsayable { name: setting.name.clone(), character });
        }
        line(&mut text, shell, setting);
    }
    if shell == Shell::Nu {
        text = format!("{{\n{text}}}\n");
    }
    // The comment must stay one, whatever was typed.
    let command_line: String =
        command_line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    hint(&mut text, shell, &command_line);
    Ok(text)
}

#[expect(clippy::unwrap_used, reason = "writing to a String cannot fail")]
fn line(text: &mut String, shell: Shell, Setting { name, value }: &Setting) {
    let quoted = value.as_ref().map(|value| quote::quote(shell, value));
    match (shell, quoted) {
        (Shell::Sh | Shell::Bash | Shell::Zsh, Some(v)) => writeln!(text, "export {name}={v}"),
        (Shell::Sh | Shell::Bash | Shell::Zsh, None) => writeln!(text, "unset {name}"),
        (Shell::Fish, Some(v)) => writeln!(text, "set -gx {name} {v};"),
        (Shell::Fish, None) => writeln!(text, "set -e {name};"),
        (Shell::Tcsh, Some(v)) => writeln!(text, "setenv {name} {v};"),
        (Shell::Tcsh, None) => writeln!(text, "unsetenv {name};"),
        (Shell::PowerShell, Some(v)) => writeln!(text, "$Env:{name} = {v}"),
        (Shell::PowerShell, None) => writeln!(text, r"Remove-Item Env:\\{name}"),
        (Shell::Cmd, Some(v)) if v.starts_with('"') => writeln!(text, "SET \"{name}={}", &v[1..]),
        (Shell::Cmd, v) => writeln!(text, "SET {name}={}", v.unwrap_or_default()),
        // Nushell evaluates no text, it loads a record; docker takes an empty value for none.
        (Shell::Nu, v) => writeln!(text, "  {name}: {}", v.unwrap_or_else(|| "\"\"".into())),
        (Shell::Emacs, v) => {
            writeln!(text, "(setenv \"{name}\" {})", v.unwrap_or_else(|| "nil".into()))
        }
    }
    .unwrap();
}

fn hint(text: &mut String, shell: Shell, command: &str) {
    let (comment, how) = match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => ("#", format!("eval $({command})")),
        Shell::Fish => ("#", format!("eval ({command})")),
        // `:` is a command, so its words are expanded: quoted, they are left alone.
        Shell::Tcsh => (":", quote::quote(shell, &format!("eval \"`{command}`\""))),
        Shell::PowerShell => ("#", format!("& {command} | Invoke-Expression")),
        Shell::Cmd => ("REM", format!("\t@FOR /f \"tokens=*\" %i IN ('{command}') DO @%i")),
        Shell::Nu => ("#", format!("load-env ({command} | from nuon)")),
        Shell::Emacs => (
            ";;",
            format!(
                "(with-temp-buffer (shell-command {} (current-buffer)) (eval-buffer))",
                quote::quote(shell, command)
            ),
        ),
    };
    // docker-machine's line ends with a space.
    text.push_str(comment);
    text.push_str(" Run this command to configure your shell: \n");
    text.push_str(comment);
    text.push(' ');
    text.push_str(&how);
    text.push('\n');
}

#[cfg(test)]
mod tests;
