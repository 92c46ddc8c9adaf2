//! New images: a stopped VM's container is made anew from the current image, tried out, and made
//! again from the old one if its agent does not come up. Never while something works in it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ff_protocol::VmId;

use super::drivers::Driving;
use super::{STOP_GRACE, VmService};
use crate::Result;
use crate::compute::{ComputeError, Spec};
use crate::db::entity::vm::Model;
use crate::db::vms::{self, Change};
use crate::error;
use crate::fault::{self, Point};

/// How long what is known of the current image counts.
const FRESH: Duration = Duration::from_secs(5);

/// What is known of images.
#[derive(Debug, Default)]
pub(super) struct Images {
    current: Mutex<Option<(Instant, Option<String>)>>,
    /// Images whose agent did not come up.
    bad: Mutex<HashSet<String>>,
}

impl Images {
    fn current(&self) -> Option<(Instant, Option<String>)> {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn is_bad(&self, image: &str) -> bool {
        self.bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(image)
    }
}

impl VmService {
    /// Id of the image that new VMs are made from now; `None` if it is not there.
    pub(super) async fn current_image(&self) -> Result<Option<String>> {
        if let Some((at, image)) = self.0.images.current()
            && at.elapsed() < FRESH
        {
            return Ok(image);
        }
        let image = self.0.provider.image(&self.0.settings.image).await?;
        let mut current = self
            .0
            .images
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = Some((Instant::now(), image.clone()));
        Ok(image)
    }

    /// The same, as it was last seen.
    pub(super) fn image_in_use(&self) -> Option<String> {
        self.0.images.current().and_then(|(_, image)| image)
    }

    /// Whether a VM's container is of another image than the current one, which may be tried.
    pub(super) fn image_is_newer(&self, row: &Model) -> bool {
        let current = self.image_in_use();
        current.is_some_and(|image| {
            row.image_id.as_ref().is_some_and(|own| *own != image) && !self.0.images.is_bad(&image)
        })
    }

    /// Makes a stopped VM's container anew if there is another image, and says so in `change`.
    pub(super) async fn upgrade_if_newer(
        &self,
        id: &VmId,
        row: &Model,
        change: Change,
        driving: &Driving,
    ) -> Change {
        let _ = self.current_image().await;
        let (true, Some(image), Some(old)) = (
            self.image_is_newer(row),
            self.image_in_use(),
            row.image_id.clone(),
        ) else {
            return change;
        };
        let trial = async {
            tokio::select! {
                tried = self.try_image(id, row, &image) => tried,
                () = driving.unwanted.cancelled() => Err("the VM is not wanted any more".to_owned()),
            }
        };
        match trial.await {
            Ok(()) => {
                tracing::info!(vm = %id, %image, "the VM has a new image");
                Change {
                    image: Some((image, None)),
                    ..change
                }
            }
            Err(why) => {
                tracing::error!(vm = %id, %image, why, "a new image does not come up; VMs stay on theirs");
                self.0
                    .images
                    .bad
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(image);
                if let Err(error) = self.go_back(id, row, &old).await {
                    tracing::warn!(vm = %id, %error, "the container of the old image is made at the next start");
                }
                change
            }
        }
    }

    async fn try_image(&self, id: &VmId, row: &Model, image: &str) -> Result<(), String> {
        let said = |error: ComputeError| error.to_string();
        // The old image must outlast its name and its container until the new one has proved itself.
        self.keep_images(&[image])
            .await
            .map_err(|error| error::chain(&error))?;
        fault::point(Point::ImagesKept);
        self.0.provider.remove(id).await.map_err(said)?;
        fault::point(Point::OldGone);
        let spec = Spec {
            image,
            limits: self.limits_of(row),
        };
        self.0.provider.create(id, spec).await.map_err(said)?;
        fault::point(Point::NewMade);
        let token = self.start_machine(id).await.map_err(|fault| fault.detail)?;
        let up = self
            .agent_up(id, &token)
            .await
            .map_err(|fault| fault.detail);
        self.0.agents.forget(id);
        up?;
        fault::point(Point::NewProved);
        let stopped = self.0.provider.stop(id, STOP_GRACE).await.map_err(said);
        fault::point(Point::NewStopped);
        stopped
    }

    async fn go_back(&self, id: &VmId, row: &Model, old: &str) -> Result<(), ComputeError> {
        self.0.provider.stop(id, STOP_GRACE).await?;
        self.0.provider.remove(id).await?;
        fault::point(Point::NewGone);
        let spec = Spec {
            image: old,
            limits: self.limits_of(row),
        };
        self.0.provider.create(id, spec).await?;
        fault::point(Point::OldMade);
        Ok(())
    }

    /// Keeps the images that live VMs are made from, and these.
    pub(super) async fn keep_images(&self, also: &[&str]) -> Result<()> {
        let mut images = vms::images(self.0.db.read()).await?;
        images.extend(also.iter().map(|image| (*image).to_owned()));
        images.retain(|image| !image.is_empty());
        images.sort();
        images.dedup();
        Ok(self.0.provider.keep_images(&images).await?)
    }
}
