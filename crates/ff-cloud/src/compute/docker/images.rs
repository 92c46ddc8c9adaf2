//! Images: their ids, and names of our own for those that must not be lost.

use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions, TagImageOptions};

use super::engine::{is_status, unless};
use super::{CONFLICT, DockerProvider, MISSING};
use crate::compute::ComputeError;

/// Digits of an image's id in the name that keeps it.
const DIGITS: usize = 12;

impl DockerProvider {
    pub(super) async fn image_id(&self, name: &str) -> Result<Option<String>, ComputeError> {
        let docker = self.engine.client().await?;
        let question = docker.inspect_image(name);
        match self.engine.call("inspect an image", question).await {
            Ok(found) => Ok(found.id),
            Err(error) if is_status(&error, MISSING) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Names each of these images `ff-kept-<instance id>:<id>`, and takes that name from all
    /// others. An image that a container uses keeps it until the container is gone.
    ///
    /// # Errors
    /// Also when one of the images is not there; the rest is done all the same.
    pub(super) async fn keep(&self, ids: &[String]) -> Result<(), ComputeError> {
        let repository = format!("ff-kept-{}", self.instance_id);
        let mut lost = None;
        for id in ids {
            if !self.tag(id, &repository).await? {
                lost = Some(id);
            }
        }
        let kept: Vec<String> = ids
            .iter()
            .map(|id| format!("{repository}:{}", short(id)))
            .collect();
        for name in self.names_in(&repository).await? {
            if !kept.contains(&name) {
                self.untag(&name).await?;
            }
        }
        match lost {
            Some(id) => Err(ComputeError::ImageMissing(id.clone())),
            None => Ok(()),
        }
    }

    /// Names an image; says whether it is there.
    async fn tag(&self, id: &str, repository: &str) -> Result<bool, ComputeError> {
        let options = TagImageOptions {
            repo: Some(repository.to_owned()),
            tag: Some(short(id).to_owned()),
        };
        let docker = self.engine.client().await?;
        let question = docker.tag_image(id, Some(options));
        match self.engine.call("name an image", question).await {
            Ok(()) => Ok(true),
            Err(error) if is_status(&error, MISSING) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn names_in(&self, repository: &str) -> Result<Vec<String>, ComputeError> {
        let options = ListImagesOptions {
            filters: Some([("reference".to_owned(), vec![repository.to_owned()])].into()),
            ..Default::default()
        };
        let docker = self.engine.client().await?;
        let question = docker.list_images(Some(options));
        let found = self.engine.call("list images", question).await?;
        let prefix = format!("{repository}:");
        let names = found.into_iter().flat_map(|image| image.repo_tags);
        Ok(names.filter(|name| name.starts_with(&prefix)).collect())
    }

    async fn untag(&self, name: &str) -> Result<(), ComputeError> {
        let docker = self.engine.client().await?;
        let question = docker.remove_image(name, None::<RemoveImageOptions>, None);
        let removed = self.engine.call("let go of an image", question).await;
        match removed {
            Err(error) if is_status(&error, CONFLICT) => Ok(()),
            removed => unless(removed.map(|_| ()), MISSING),
        }
    }
}

fn short(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..DIGITS).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_cut_behind_its_kind() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("0123456789abcdef"), "0123456789ab");
        assert_eq!(short("sha256:01"), "01");
    }
}
