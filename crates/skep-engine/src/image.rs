//! Images of an engine, taken out of it and put into it as archives.
//!
//! Source: Docker Engine API 1.41 to 1.45, `Image`; `/images/get` and `/images/load`.

pub use hyper::body::Bytes;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use crate::pieces::Pieces;
use crate::{Engine, EngineError, EngineStream};

/// An image as an engine's list has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSummary {
    /// `sha256:` and 64 hexadecimal digits: the digest of its configuration.
    pub id: String,
    /// `nginx:1.26`; empty, or `<none>:<none>`, for one without a name.
    #[serde(deserialize_with = "or_empty")]
    pub repo_tags: Vec<String>,
    /// Bytes.
    pub size: u64,
}

/// An image as an engine describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Image {
    /// As in [`ImageSummary::id`].
    pub id: String,
    #[serde(deserialize_with = "or_empty")]
    pub repo_tags: Vec<String>,
    /// In the words of Go: `amd64`, `arm64`.
    pub architecture: String,
    pub os: String,
    /// Bytes.
    pub size: u64,
}

/// `null`, which an engine sends for an empty list, is empty.
fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Engine {
    /// All its images, without those that are only layers of others.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn images(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Vec<ImageSummary>, EngineError> {
        self.get_json("/images/json", &[], cancel).await
    }

    /// The image that `name` means, a tag or an identifier, if there is one.
    ///
    /// # Errors
    /// As [`Engine::get_json`].
    pub async fn image(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Image>, EngineError> {
        match self.get_json(&format!("/images/{name}/json"), &[], cancel).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.api().is_some_and(|(status, _)| status == 404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An image with its name as an archive, as `docker save` writes it.
    ///
    /// # Errors
    /// As [`Engine::get_stream`].
    pub async fn save_image(
        &self,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<EngineStream, EngineError> {
        self.get_stream("/images/get", &[("names", name)], cancel).await
    }

    /// Takes the images of an archive in, with their names: a name that another image has moves.
    /// There is no deadline: the caller has one of its own.
    ///
    /// # Errors
    /// As [`Engine::post_json`]; [`EngineError::Api`] also where the engine says in the middle of
    /// its answer what is wrong with the archive.
    pub async fn load_images(
        &self,
        archive: Pieces,
        cancel: &CancellationToken,
    ) -> Result<(), EngineError> {
        const PATH: &str = "/images/load";
        let query = [("quiet", "1")];
        let answer = self.post_stream(PATH, &query, "application/x-tar", archive, cancel).await?;
        match refusal(&answer) {
            None => Ok(()),
            Some(message) => {
                Err(EngineError::Api { request: format!("POST {PATH}"), status: 500, message })
            }
        }
    }

    /// Gives an image another name, `repository:tag`; one that has it loses it.
    ///
    /// # Errors
    /// As [`Engine::post_json`].
    pub async fn tag_image(
        &self,
        id: &str,
        name: &str,
        cancel: &CancellationToken,
    ) -> Result<(), EngineError> {
        // A port of a registry is no tag.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (name, "latest"),
        };
        let query = [("repo", repository), ("tag", tag)];
        self.post_json(&format!("/images/{id}/tag"), &query, &(), cancel).await.map(drop)
    }
}

/// The error in an answer of `{"stream": …}` and `{"error": …}` lines, if there is one.
fn refusal(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        error: Option<String>,
    }
    let lines = serde_json::Deserializer::from_slice(answer).into_iter::<Line>();
    lines.map_while(Result::ok).find_map(|line| line.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_middle_of_an_answer_is_found() {
        let fine = b"{\"stream\":\"Loaded image: nginx:1.26\\n\"}\r\n";
        assert_eq!(refusal(fine), None);
        let bad = b"{\"status\":\"Loading layer\"}\n{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\n";
        assert_eq!(refusal(bad).as_deref(), Some("no space"));
        assert_eq!(refusal(b""), None);
    }

    #[test]
    fn an_image_without_a_name_is_read() {
        let image: ImageSummary =
            serde_json::from_str(r#"{"Id":"sha256:a","RepoTags":null,"Size":3}"#).unwrap();
        assert!(image.repo_tags.is_empty());
    }
}
