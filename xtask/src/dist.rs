//! `cargo xtask dist`: what a release consists of, in one archive with its checksum.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use crate::{
    run::Work,
    skep::{self, Profile},
};

/// The documents that are included.
const DOCUMENTS: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Completions: the shell's name for skep, and the file's name as that shell looks for it.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "skep.bash"), ("zsh", "_skep"), ("fish", "skep.fish")];

/// Builds the archive under `target/dist`.
pub(crate) async fn perform(work: &Work) -> Result<()> {
    let binary = skep::build(work, Profile::Release).await?;
    let name = format!("skep-{}-{}", env!("CARGO_PKG_VERSION"), host(work).await?);
    let dist = work.target().join("dist");
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    for part in ["completions", "man"] {
        fs::create_dir_all(folder.join(part))
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    copy(&binary, &folder.join("skep"))?;
    for document in DOCUMENTS {
        copy(&work.root.join(document), &folder.join(document))?;
    }
    for (shell, file) in COMPLETIONS {
        let program = Program::new(&binary).args(["completions", shell]);
        save(work, program, &folder.join("completions").join(file)).await?;
    }
    save(work, Program::new(&binary).arg("man"), &folder.join("man/skep.1")).await?;

    let archive = format!("{name}.tar.gz");
    // Sorted, with a fixed owner, dated by the commit: the same sources give the same archive.
    let date = Program::new("git").args(["log", "-1", "--format=%ct"]).directory(&work.root);
    let (_, date) = work.ask(date).await?;
    let date = date.text().parse::<u64>().unwrap_or_default();
    let tar = Program::new("tar")
        .args(["--create", "--gzip", "--file", &archive, "--sort=name", "--owner=0", "--group=0"])
        .args(["--numeric-owner", &format!("--mtime=@{date}"), &name])
        .directory(&dist);
    work.shown(tar, Duration::from_secs(120), |_| {}).await?;
    let sum = Program::new("sha256sum").arg(&archive).directory(&dist);
    save(work, sum, &dist.join(format!("{archive}.sha256"))).await?;
    println!("   {}", dist.join(&archive).display());
    Ok(())
}

/// The target this compiler builds for, as Rust calls it.
async fn host(work: &Work) -> Result<String> {
    let (_, output) = work.ask(Program::new("rustc").arg("-vV")).await?;
    let text = output.text();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say for what it builds")?.to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}

/// Writes what a program prints to a file.
async fn save(work: &Work, program: Program, file: &Path) -> Result<()> {
    let command = program.command_line();
    let (status, output) = work.ask(program).await?;
    if !status.success() || output.stdout.is_empty() {
        bail!("`{command}` printed nothing for {}: {status}", file.display());
    }
    fs::write(file, output.stdout).with_context(|| format!("cannot write {}", file.display()))
}
