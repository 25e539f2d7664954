//! Loading images onto all machines in parallel, and requests to a service.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{
    Bench,
    figures::{Figure, Unit, median},
};
use crate::images;

/// The size of the image that is loaded onto machines.
const MEGABYTES: usize = 100;

/// How many requests are sent to the service.
const REQUESTS: u32 = 10_000;

/// Where the service answers.
const PORT: u16 = 8080;

impl Bench<'_> {
    /// On a cluster of four machines that is up: how long loading an image onto all of them
    /// and a thousand requests take.
    pub(super) async fn images(&self, runs: usize) -> Result<Vec<Figure>> {
        let archive = self.work.target().join("bench/filler.tar");
        let (mut one, mut four) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            // A new image each time: one that is present is not loaded again.
            images::fill(&archive, MEGABYTES)?;
            one.push(self.load(&archive, &["--machine", "worker1"]).await?);
            images::fill(&archive, MEGABYTES)?;
            four.push(self.load(&archive, &[]).await?);
        }
        std::fs::remove_file(&archive).context("cannot remove the image")?;
        let name = format!("an image of {MEGABYTES} MB: to four machines / to one");
        let mut figures = vec![Figure::ratio(&name, &four, &one, 1.5)];

        let nginx = images::perform(self.work).await?;
        for archive in nginx.iter().filter(|archive| archive.ends_with("nginx-1.26.tar")) {
            self.load(archive, &["--machine", "manager1"]).await?;
        }
        let create = format!(
            "docker service create --quiet --no-resolve-image --name bench --constraint \
             node.role==manager --publish mode=host,target=80,published={PORT} nginx:1.26"
        );
        self.skep(&["machine", "ssh", "manager1", &create]).await?;
        let requests = REQUESTS.to_string();
        let probe = ["service", "probe", "bench", "--requests", &requests, "--concurrency", "8"];
        let mut times = Vec::new();
        for _ in 0..runs {
            let time = self.skep(&probe).await?.as_secs_f64();
            times.push(time * 1000.0 / f64::from(REQUESTS / 1000));
        }
        let name = "skep service probe: a thousand requests to nginx".to_owned();
        figures.push(Figure::new(name, Unit::Milliseconds, median(&times), 500.0));
        Ok(figures)
    }

    async fn load(&self, archive: &Path, more: &[&str]) -> Result<std::time::Duration> {
        let archive = archive.display().to_string();
        self.skep(&[&["image", "load", &archive], more].concat()).await
    }
}
