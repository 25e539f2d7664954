//! The settings of a host's engine: listening with TLS, beside its own socket, and options.
//!
//! | system | TLS files | addresses and options | variables |
//! |---|---|---|---|
//! | with systemd | `/etc/skep/tls` | `daemon.json`, and a drop-in that takes them off the command line | the drop-in |
//! | with OpenRC, or scripts | `/etc/skep/tls` | `daemon.json` | a block in `/etc/conf.d/docker`, `/etc/default/docker` |
//! | boot2docker | `/var/lib/boot2docker` | its profile | its profile |
//!
//! Everything arrives at once, as an archive, and is put where it belongs file by file; what is there
//! already, byte for byte, is left alone. Before the first change a mark is made, which goes when the
//! engine has read the new settings: an interrupted command is finished by the next.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{AdoptError, Found, Init, Owner, daemon, name, places::Places, profile, unit};
use crate::{
    Command, Guest,
    certificate::{RESTART_SCRIPT, remove_all},
};

/// How long an engine may take to stop and start.
const RESTART: Duration = Duration::from_secs(180);

/// Puts files of an archive below the root directory `$1`, less those that are there, in the order of
/// `$4…`, of which there are `$3`; then removes the files after those. Prints what it has changed. `$2`
/// is the directory of skep's own files.
const PLACE: &str = r#"
root=$1 state=$2 count=$3
shift 3
umask 077
mkdir -p -- "$root$state"
chmod 755 "$root$state"
# What killed ones have left: nobody else is at it now.
rm -rf -- "$root$state"/.new-????????
new=$(mktemp -d -- "$root$state/.new-XXXXXXXX")
trap 'rm -rf -- "$new"' EXIT
tar -xpf - -m --no-same-owner -C "$new"
left=$count
for file; do
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
    if [ ! -f "$new$file" ]; then echo "only a part arrived" >&2; exit 1; fi
done
# What the engine does not read needs no restart.
mark() {
    case ${1##*/} in
        owner.json | before.json | profile.before) ;;
        *) : >"$root$state/restart-due" ;;
    esac
    echo "$1"
}
left=$count
for file; do
    path=$root$file
    if [ "$left" -le 0 ]; then
        if [ -e "$path" ]; then mark "$file"; rm -f -- "$path"; fi
        continue
    fi
    left=$((left - 1))
    if [ -L "$path" ]; then path=$(readlink -f -- "$path"); fi
    if ! cmp -s -- "$new$file" "$path"; then
        mark "$file"
        (umask 022; mkdir -p -- "${path%/*}")
        cp -p -- "$new$file" "$path.skep-new"
        mv -f -- "$path.skep-new" "$path"
    fi
    chmod -- "$(stat -c %a -- "$new$file")" "$path"
done
"#;

/// Takes away what is left of skep below the root directory `$1`: its own files in `$2`, and the files
/// `$3…`. A user that it let use the engine may do so no more.
const FORGET: &str = r#"
root=$1 state=$2
shift 2
for file; do rm -f -- "$root$file"; done
if [ -f "$root$state/joined" ]; then
    read -r user <"$root$state/joined"
    gpasswd -d "$user" docker >/dev/null 2>&1 || delgroup "$user" docker >/dev/null 2>&1 || :
fi
rmdir -- "$root/etc/systemd/system/docker.service.d" 2>/dev/null || :
rm -rf -- "$root$state"
"#;

/// How an engine is reached with TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate of the authority whose clients are trusted, as PEM.
    pub ca: String,
    /// The engine's certificate, as PEM.
    pub certificate: String,
    /// Its key, as PEM.
    pub key: SecretString,
}

/// The settings of a host's engine.
#[derive(Debug, Clone)]
pub struct Settings {
    pub owner: Owner,
    pub port: u16,
    /// New TLS files; those that are there stay if there are none.
    pub tls: Option<Tls>,
    /// Variables of the engine's environment, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Options by their names in `daemon.json`.
    pub options: Map<String, Value>,
}

const DAEMON: &str = "/etc/docker/daemon.json";

#[derive(Debug, Clone)]
struct File {
    path: String,
    mode: u32,
    content: SecretString,
}

impl File {
    fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), mode: 0o644, content: SecretString::from(content.into()) }
    }
}

/// What is to be put where, and what is to go.
#[derive(Debug, Clone, Default)]
struct Change {
    files: Vec<File>,
    gone: Vec<String>,
}

impl Change {
    /// The arguments of [`PLACE`] after the first.
    fn arguments(&self, places: Places) -> Vec<String> {
        let mut arguments = vec![places.state.to_owned(), self.files.len().to_string()];
        arguments.extend(self.files.iter().map(|file| file.path.clone()));
        arguments.extend(self.gone.iter().cloned());
        arguments
    }
}

/// Writes settings, less what is there already. Returns whether the engine should be restarted, now
/// or from an earlier time.
///
/// # Errors
/// [`AdoptError::Damaged`], [`AdoptError::Option`], [`AdoptError::NoInit`] before anything is touched;
/// as [`Guest::run`].
pub async fn apply(
    guest: &Guest,
    found: &Found,
    settings: &Settings,
    cancel: &CancellationToken,
) -> Result<bool, AdoptError> {
    let change = plan(guest.machine(), found, settings)?;
    let place = Command::exclusive("writing the engine's settings", PLACE)
        .arg("")
        .args(change.arguments(found.places()))
        .stdin(archive(&change.files));
    let changed = guest.run(&place, cancel).await?.text();
    let own = ["/owner.json", "/before.json", "/profile.before"];
    let matters = |path: &str| !own.iter().any(|own| path.ends_with(own));
    Ok(found.restart_due || changed.lines().any(matters))
}

/// Restarts the engine so that it reads its settings. Does not wait until it answers.
///
/// # Errors
/// As [`Guest::run`].
pub async fn restart_for_settings(
    guest: &Guest,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<(), AdoptError> {
    let script = format!("{RESTART_SCRIPT}\nrm -f -- \"$1/restart-due\"\n");
    let restart = Command::exclusive("restarting the engine", script).arg(found.places().state);
    guest.run(&restart.deadline(RESTART), cancel).await?;
    Ok(())
}

/// Puts a host back as it was before it was taken: its engine's settings, its roots, its files. The
/// engine stays, and is restarted.
///
/// # Errors
/// [`AdoptError::Damaged`] before anything is touched; as [`Guest::run`].
pub async fn release(
    guest: &Guest,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<(), AdoptError> {
    let change = plan_release(guest.machine(), found)?;
    let places = found.places();
    let place = Command::exclusive("putting the engine's settings back", PLACE)
        .arg("")
        .args(change.arguments(places))
        .stdin(archive(&change.files));
    let changed = guest.run(&place, cancel).await?.text();
    let roots = remove_all(guest, cancel).await?;
    name::give_back(guest, found, cancel).await?;
    let restarted = if found.engine.is_some() && (!changed.is_empty() || roots || found.restart_due)
    {
        restart_for_settings(guest, found, cancel).await
    } else {
        Ok(())
    };
    // Its marks last: until they are gone, an interrupted release can be done again. An engine that
    // does not start is its owner's to mend, and the host is no machine of skep's all the same.
    let forget = Command::exclusive("taking skep's files away", FORGET).args([
        "",
        places.state,
        places.ca,
        places.certificate,
        places.key,
    ]);
    guest.run(&forget, cancel).await?;
    restarted
}

fn plan(machine: &str, found: &Found, settings: &Settings) -> Result<Change, AdoptError> {
    let places = found.places();
    let mut change = Change::default();
    let owner = serde_json::to_string_pretty(&settings.owner).unwrap_or_default();
    change.files.push(File::new(format!("{}/owner.json", places.state), format!("{owner}\n")));
    if let Some(tls) = &settings.tls {
        let key = File::new(places.key, tls.key.expose_secret());
        change.files.push(File { mode: 0o600, ..key });
        change.files.push(File::new(places.ca, &*tls.ca));
        // The last of them: until it is there, it is due.
        change.files.push(File::new(places.certificate, &*tls.certificate));
    }
    if found.system.has_profile() {
        let text = profile::write(settings.port, &settings.env, &settings.options);
        let text = text.map_err(|unfit| AdoptError::Option {
            machine: machine.to_owned(),
            option: unfit.option,
            reason: unfit.reason.to_owned(),
        })?;
        if let (None, Some(before)) = (&found.owner, &found.profile) {
            change
                .files
                .push(File::new(format!("{}/profile.before", places.state), before.clone()));
        }
        change.files.push(File::new(profile::PROFILE, text));
        return Ok(change);
    }
    let Some(init) = found.init else {
        let (machine, system) = (machine.to_owned(), found.name.clone());
        return Err(AdoptError::NoInit { machine, system });
    };
    check_flags(machine, found)?;
    let damaged =
        |reason| AdoptError::Damaged { machine: machine.to_owned(), path: DAEMON.into(), reason };
    let (text, before) = (found.daemon.as_deref(), found.before.as_deref());
    let mut hosts = daemon::hosts_of(text, before).map_err(damaged)?;
    hosts.extend(found.unit.hosts.iter().cloned());
    let mut wanted = settings.options.clone();
    wanted.insert("hosts".into(), daemon::hosts(settings.port, &hosts).into());
    wanted.insert("tlsverify".into(), true.into());
    wanted.insert("tlscacert".into(), places.ca.into());
    wanted.insert("tlscert".into(), places.certificate.into());
    wanted.insert("tlskey".into(), places.key.into());
    let merged = daemon::merge(text, before, &wanted).map_err(damaged)?;
    change.files.push(File::new(format!("{}/before.json", places.state), merged.before));
    change.files.push(File::new(DAEMON, merged.text));
    match (init, found.unit.drop_in(&settings.env)) {
        (Init::Systemd, Some(text)) => change.files.push(File::new(unit::DROP_IN, text)),
        (Init::Systemd, None) => change.gone.push(unit::DROP_IN.into()),
        (Init::Openrc | Init::Runit | Init::Sysv, _) => {
            let name = variables_of(init);
            let old = variables(found, name);
            let new = with_block(old, &settings.env);
            if new != old {
                change.files.push(File::new(format!("/etc/{name}/docker"), new));
            }
        }
    }
    Ok(change)
}

fn plan_release(machine: &str, found: &Found) -> Result<Change, AdoptError> {
    let mut change = Change::default();
    if found.system.has_profile() {
        change.gone.push(profile::PROFILE.into());
        return Ok(change);
    }
    let (text, before) = (found.daemon.as_deref(), found.before.as_deref());
    match daemon::give_back(text, before) {
        Ok(Some(text)) => change.files.push(File::new(DAEMON, text)),
        Ok(None) => change.gone.push(DAEMON.into()),
        Err(reason) => {
            let (machine, path) = (machine.to_owned(), DAEMON.into());
            return Err(AdoptError::Damaged { machine, path, reason });
        }
    }
    change.gone.push(unit::DROP_IN.into());
    if let Some(init) = found.init.filter(|init| *init != Init::Systemd) {
        let name = variables_of(init);
        let old = variables(found, name);
        let new = with_block(old, &[]);
        if new != old {
            change.files.push(File::new(format!("/etc/{name}/docker"), new));
        }
    }
    Ok(change)
}

/// The directory of `/etc` where the file with the engine's variables lies.
fn variables_of(init: Init) -> &'static str {
    match init {
        Init::Openrc => "conf.d",
        Init::Systemd | Init::Runit | Init::Sysv => "default",
    }
}

fn variables<'a>(found: &'a Found, name: &str) -> &'a str {
    let file = found.variables.iter().find(|file| file.0 == name);
    file.map_or("", |file| file.1.as_str())
}

/// An engine takes an address, or a TLS file, from its command line or from its file, not from both,
/// and would not start.
fn check_flags(machine: &str, found: &Found) -> Result<(), AdoptError> {
    for (name, text) in &found.variables {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let mut words =
            lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || "\"'=".contains(c)));
        let flag = words.find(|word| {
            *word == "-H" || ["--host", "--tls", "-H="].iter().any(|flag| word.starts_with(flag))
        });
        if let Some(flag) = flag {
            return Err(AdoptError::Damaged {
                machine: machine.to_owned(),
                path: format!("/etc/{name}/docker"),
                reason: format!("it gives the engine {flag}, which skep is to set: take it out"),
            });
        }
    }
    Ok(())
}

const BLOCK: [&str; 2] = ["# skep: the engine's environment", "# skep: end"];

/// A shell script of variables with a block of our own, in place of the one that was there.
fn with_block(text: &str, env: &[String]) -> String {
    let mut inside = false;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        if line == BLOCK[0] {
            inside = true;
        } else if line == BLOCK[1] && inside {
            inside = false;
        } else if !inside {
            lines.push(line.to_owned());
        }
    }
    if !env.is_empty() {
        lines.push(BLOCK[0].into());
        lines.extend(
            env.iter().map(|variable| format!("export {}", crate::command::quote(variable))),
        );
        lines.push(BLOCK[1].into());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn archive(files: &[File]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let content = file.content.expose_secret().as_bytes();
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(file.mode);
        // The names are short and the archive is memory: neither can fail.
        let _ = archive.append_data(&mut header, file.path.trim_start_matches('/'), content);
    }
    archive.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests;
