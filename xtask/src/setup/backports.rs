//! A package whose version in the host's release conflicts with installed packages.
//!
//! Some Debian machines have `qemu-utils` from the release's backports, and with it the release's
//! own QEMU cannot be installed: it is installed from the backports as well. apt decides when this
//! is needed. If it does not have the backports yet, they are added in a separate file, with the
//! URL and the key that the release itself has in apt's sources.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use super::root::as_root;
use crate::run::Work;

/// The file that is added, without its extension.
const ADDED: &str = "/etc/apt/sources.list.d/backports-for-skep";

/// apt may have to read its lists first.
const ASK: Duration = Duration::from_secs(60);

/// The release to install `package` from, if it is not the machine's own.
pub(super) async fn target(work: &Work, package: &str) -> Result<Option<String>> {
    let Err(refusal) = simulate(work, package, None).await? else { return Ok(None) };
    let os = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let Some(codename) = codename(&os) else { bail!("{refusal}") };
    let backports = format!("{codename}-backports");
    println!("   {package} of {codename} does not go together with what is installed:");
    println!("   {}", refusal.trim().replace('\n', "\n   "));
    if sources_of(work, &backports).await?.is_empty() {
        add(work, &codename, &backports).await?;
    }
    match simulate(work, package, Some(&backports)).await? {
        Ok(()) => Ok(Some(backports)),
        Err(refusal) => bail!(
            "{package} can be installed neither from {codename} nor from {backports}: {}\n  \
             fix: make way for it: apt-get install --no-install-recommends {package}",
            refusal.trim()
        ),
    }
}

/// Whether apt would install the package and remove nothing for it; its message if not.
async fn simulate(work: &Work, package: &str, from: Option<&str>) -> Result<Result<(), String>> {
    let mut program = Program::new("apt-get")
        .args(["--simulate", "--no-remove", "--no-install-recommends", "install", package])
        .env("LC_ALL", "C")
        .deadline(ASK);
    if let Some(release) = from {
        program = program.args(["--target-release", release]);
    }
    let (status, output) = program.run_any(&work.cancel).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(if status.success() { Ok(()) } else { Err(said) })
}

/// Adds the backports to apt's sources, and fetches their lists.
async fn add(work: &Work, codename: &str, backports: &str) -> Result<()> {
    for file in sources_of(work, codename).await? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
        let end = if file.ends_with(".sources") { "sources" } else { "list" };
        let added = match end {
            "sources" => stanza_for(&text, codename, backports),
            _ => line_for(&text, codename, backports),
        };
        let Some(added) = added else { continue };
        let draft = work.target().join("backports-for-skep");
        fs::create_dir_all(work.target()).context("cannot make the target directory")?;
        fs::write(&draft, added).with_context(|| format!("cannot write {}", draft.display()))?;
        let draft = draft.display().to_string();
        as_root(work, &["install", "-m", "644", &draft, &format!("{ADDED}.{end}")]).await?;
        return as_root(work, &["apt-get", "update"]).await;
    }
    bail!(
        "apt's sources do not say where {codename} comes from, so its backports cannot be added\n  \
         fix: add {backports} to /etc/apt/sources.list.d by hand"
    )
}

/// The files that configure apt for a release of this machine's distribution.
async fn sources_of(work: &Work, codename: &str) -> Result<Vec<String>> {
    let program = Program::new("apt-get")
        .args(["indextargets", "--format", "$(RELEASE) $(SOURCESENTRY)", "Created-By: Packages"])
        .env("LC_ALL", "C");
    let (_, output) = work.ask(program).await?;
    Ok(sources_in(&output.text(), codename))
}

/// The files in lines of `RELEASE FILE:NUMBER`, each once.
fn sources_in(targets: &str, release: &str) -> Vec<String> {
    let mut files = Vec::<String>::new();
    for line in targets.lines() {
        let Some((_, entry)) = line.split_once(' ').filter(|(name, _)| *name == release) else {
            continue;
        };
        let file = entry.rsplit_once(':').map_or(entry, |(file, _)| file).to_owned();
        if Path::new(&file).is_absolute() && !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// The release's name in os-release(5).
fn codename(os: &str) -> Option<String> {
    let value = os.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let name = value.trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

/// The first line (sources.list(5)) for `release`, for `other` instead.
fn line_for(text: &str, release: &str, other: &str) -> Option<String> {
    let brings = |line: &&str| {
        let words = line.split_whitespace().collect::<Vec<_>>();
        words.first() == Some(&"deb") && words.contains(&release)
    };
    let line = text.lines().map(|line| line.split('#').next().unwrap_or_default()).find(brings)?;
    let word = |word| if word == release { other } else { word };
    Some(format!("{}\n", line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")))
}

/// The first stanza (deb822, as in sources.list(5)) for `release`, for `other` alone.
fn stanza_for(text: &str, release: &str, other: &str) -> Option<String> {
    let text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let field = |line: &str, name: &str| {
        let (own, value) = line.split_once(':')?;
        own.trim().eq_ignore_ascii_case(name).then(|| value.to_owned())
    };
    let has = |stanza: &str, name: &str, word: &str| {
        let value = stanza.lines().find_map(|line| field(line, name)).unwrap_or_default();
        value.split_whitespace().any(|one| one == word)
    };
    let brings = |stanza: &&str| has(stanza, "Types", "deb") && has(stanza, "Suites", release);
    let stanza = text.split("\n\n").find(brings)?;
    let line = |line: &str| {
        let replaced = [("Types", "deb"), ("Suites", other)]
            .into_iter()
            .find(|(name, _)| field(line, name).is_some());
        replaced.map_or_else(|| line.to_owned(), |(name, value)| format!("{name}: {value}"))
    };
    Some(format!("{}\n", stanza.trim().lines().map(line).collect::<Vec<_>>().join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backports_come_from_where_the_release_does() {
        let list = "# deb http://old.example/debian bookworm main\n\
            deb-src http://m.example/debian bookworm main\n\
            deb http://m.example/debian bookworm-updates main\n\
            deb [signed-by=/k.gpg] http://m.example/debian  bookworm main # ours\n";
        assert_eq!(
            line_for(list, "bookworm", "bookworm-backports").unwrap(),
            "deb [signed-by=/k.gpg] http://m.example/debian bookworm-backports main\n"
        );
        assert_eq!(line_for(list, "trixie", "trixie-backports"), None);
        let stanzas = "Types: deb\nURIs: http://s.example/security\nSuites: bookworm-security\n\n\
            Types: deb deb-src\n# a snapshot\nURIs: http://m.example/debian\n\
            suites: bookworm bookworm-updates\nComponents: main\n\
            Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\nTypes: deb\n";
        assert_eq!(
            stanza_for(stanzas, "bookworm", "bookworm-backports").unwrap(),
            "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm-backports\n\
             Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
        );
        assert_eq!(stanza_for(stanzas, "trixie", "trixie-backports"), None);
    }

    #[test]
    fn apt_says_which_file_brings_a_release() {
        let targets = "bookworm-updates /etc/apt/sources.list.d/debian.sources:1\n\
            bookworm /etc/apt/sources.list.d/debian.sources:1\n\
            bookworm /etc/apt/sources.list.d/debian.sources:1\n\
            bookworm /etc/apt/sources.list:3\n";
        assert_eq!(
            sources_in(targets, "bookworm"),
            ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]
        );
        assert_eq!(sources_in(targets, "bookworm-backports"), [""; 0]);
    }

    #[test]
    fn the_release_names_itself() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n").unwrap(), "bookworm");
        assert_eq!(codename("VERSION_CODENAME=\"noble\"\n").unwrap(), "noble");
        assert_eq!(codename("ID=arch\n"), None);
    }
}
