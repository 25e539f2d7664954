//! The walkthrough's chapters about services: one that pings, scaled and moved off a drained
//! manager; and nginx, requested on every machine and updated to another version meanwhile.
//!
//! The images are built from Debian's packages, so that no registry is needed.

use anyhow::{Context as _, Result, bail};

use super::Show;
use crate::images;

/// The port that nginx is published on; [`super::perform`] forwards it.
pub(super) const PORT: u16 = 8080;

/// Shows services on the cluster, whatever an earlier demo has left.
pub(super) async fn show(show: &Show<'_>) -> Result<()> {
    println!("   images of Debian's packages, to begin with");
    let mut archives = Vec::new();
    for archive in images::perform(show.work).await? {
        let path = archive.strip_prefix(&show.work.root).unwrap_or(&archive);
        archives.push(path.to_str().context("a path is no text")?.to_owned());
    }
    show.step(&format!("skep image load {}", archives.join(" "))).await?;
    show.step("skep image ls").await?;
    for earlier in ["helloping", "nginx"] {
        if show.ask(&["service", "inspect", earlier]).await?.is_some() {
            show.step(&format!("skep service rm {earlier}")).await?;
        }
    }
    helloping(show).await?;
    nginx(show).await
}

async fn helloping(show: &Show<'_>) -> Result<()> {
    println!("\n== A service, from one task to ten, and off a node");
    // The task itself stands in for docker.com: machines need no outbound network.
    show.step(
        "skep service create --replicas 1 --name helloping --host docker.com:127.0.0.1 \
         --stop-grace-period 1s ping ping docker.com",
    )
    .await?;
    show.step("skep service ls").await?;
    show.step("skep service inspect --pretty helloping").await?;
    show.step("skep service scale helloping=10").await?;
    show.step("skep service ps helloping").await?;
    show.step("skep node drain --wait manager1").await?;
    show.step("skep service ps helloping").await?;
    show.step("skep service rm helloping").await
}

async fn nginx(show: &Show<'_>) -> Result<()> {
    println!("\n== A web server on three of four machines, asked for at all four");
    show.step(&format!(
        "skep service create --replicas 6 --name nginx --update-delay 1s --update-parallelism 2 \
         --update-order start-first --publish {PORT}:80 nginx:1.22"
    ))
    .await?;
    show.step("skep service ps nginx").await?;
    let has_ipvs =
        show.ask(&["machine", "ssh", "manager1", "test -e /proc/net/ip_vs"]).await?.is_some();
    let answers = show.run("skep service probe nginx -n 20").await?;
    match (has_ipvs, answers) {
        (true, true) => println!("   (the manager runs none of it and answers: the routing mesh)"),
        (true, false) => bail!("nginx does not answer on every machine"),
        (false, _) => println!(
            "   (as is to be expected: the kernel that these containers share with the host has no\n   \
             IPVS; virtual machines have it: skep down && cargo xtask demo --driver qemu)"
        ),
    }
    show.step("skep service logs --tail 2 nginx").await?;

    println!("\n== Another version of it, and how many requests that costs");
    let update = "skep service update --image nginx:1.26 nginx";
    if has_ipvs {
        let both = format!("skep service probe nginx --watch --rate 5 & {update} && wait $!");
        show.step(&both).await?;
    } else {
        show.step(update).await?;
    }
    show.step("skep service inspect --pretty nginx").await?;
    show.step("skep service ps nginx").await?;
    show.step("skep node activate manager1").await?;
    show.step("skep service rebalance nginx").await
}
