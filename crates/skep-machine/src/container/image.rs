//! Getting the guest system into the host's engine: once per definition, found by its tag, which
//! carries the definition's digest.

use bollard::query_parameters::CreateImageOptions;
use futures_util::{StreamExt, TryStreamExt};
use skep_context::cancellable;
use skep_engine::Engine;
use skep_os::Builder;
use skep_store::Lock;
use tokio_util::sync::CancellationToken;

use super::{ContainerDriver, GREETING, Socket, api::api};
use crate::{MachineError, Work};

pub(super) fn tag(os: &Builder) -> String {
    skep_os::container::image_reference(os.digest())
}

pub(super) async fn is_present(driver: &ContainerDriver, os: &Builder) -> bool {
    match driver.client().await {
        Ok(docker) => docker.inspect_image(&tag(os)).await.is_ok(),
        Err(_) => false,
    }
}

/// Removes the image of the guest system with this digest from the engine at `socket`. Returns
/// whether it was there.
///
/// # Errors
/// [`MachineError::Shared`]: the engine does not answer, or machines use the image.
pub async fn remove_image(
    socket: &Socket,
    digest: &str,
    cancel: &CancellationToken,
) -> Result<bool, MachineError> {
    let image = skep_os::container::image_reference(digest);
    let remove = async {
        let engine = Engine::connect(&socket.clone()?, GREETING, cancel).await?;
        match engine.delete(&format!("/images/{image}"), &[], cancel).await {
            Err(error) if error.api().is_some_and(|(status, _)| status == 404) => Ok(false),
            removed => removed.map(|()| true),
        }
    };
    let action = format!("remove the image {image} from the Docker Engine");
    remove.await.map_err(|source| MachineError::Shared { action, source })
}

/// Makes sure the engine has the image, building the guest system if it has never been built.
pub(super) async fn ensure(driver: &ContainerDriver, work: Work<'_>) -> Result<(), MachineError> {
    let os = (driver.os)()?;
    if is_present(driver, &os).await {
        return Ok(());
    }
    let image = os.ensure(work.context.events, work.context.cancel).await?;
    // Two imports at once would leave one of them behind, untagged.
    let lock_path = os.cache().join(format!("{}.import.lock", image.digest));
    let _lock = cancellable(work.context.cancel, async {
        let waited = tokio::task::spawn_blocking(move || Lock::acquire(&lock_path, "", |_| {}));
        Ok::<_, MachineError>(waited.await.map_err(|_| MachineError::Cancelled)??)
    })
    .await?;
    if is_present(driver, &os).await {
        return Ok(());
    }
    let step = work.context.events.step("", "loading the guest system into the Docker Engine");
    let imported = cancellable(work.context.cancel, import(driver, &os, &image)).await;
    step.end_with(imported)
}

async fn import(
    driver: &ContainerDriver,
    os: &Builder,
    image: &skep_os::Image,
) -> Result<(), MachineError> {
    let action = || format!("load {} into the Docker Engine", image.rootfs.display());
    let shared = |source| MachineError::Shared { action: action(), source };
    let file = skep_read::open(&image.rootfs).map(tokio::fs::File::from_std).map_err(|source| {
        skep_store::StoreError::Io { action: "read", path: image.rootfs.clone(), source }
    })?;
    let body = tokio_util::io::ReaderStream::with_capacity(file, 1 << 20);
    let reference = tag(os);
    let (repo, tag) = reference.rsplit_once(':').unwrap_or((&reference, "latest"));
    let options = CreateImageOptions {
        from_src: Some("-".into()),
        repo: Some(repo.into()),
        tag: Some(tag.into()),
        changes: vec![skep_os::container::image_changes(&image.digest)],
        ..Default::default()
    };
    let docker = driver.client().await.map_err(shared)?;
    let body = bollard::body_try_stream(body.map_err(std::io::Error::other));
    let mut progress = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
    while let Some(step) = progress.next().await {
        step.map_err(|error| shared(api("import the image")(error)))?;
    }
    Ok(())
}
