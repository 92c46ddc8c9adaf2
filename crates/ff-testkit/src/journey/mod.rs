//! The main job from end to end: a VM, a login inside it, a workspace sent, a session that reads,
//! writes and commits there, the workspace pulled back.
//!
//! Drives the product's own programs as a user would, and checks every step from outside: with
//! Docker, git, the databases' files and the stand-ins' logs. [`Break`] cuts one link, so that a
//! test can see the journey stop there.

mod breakage;
mod cloud_steps;
mod desktop_steps;
mod fixture;
mod gateway;
mod model;
pub mod outside;
pub mod person;
pub mod process;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;

pub use breakage::Break;
pub use world::World;

/// How a journey runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory with `ff` and `ff-cloud`.
    pub programs: PathBuf,
    /// Image of the VMs.
    pub image: String,
    /// Leave server, VM and directories in place.
    pub keep: bool,
    /// The link to cut.
    pub cut: Option<Break>,
    /// Further settings of the server, as on its command line.
    pub settings: Vec<String>,
}

/// A step that was done and checked.
#[derive(Debug, Clone)]
pub struct Done {
    /// Name of the step.
    pub step: &'static str,
    /// What was seen.
    pub seen: String,
    /// How long it took.
    pub took: Duration,
}

/// The step that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed: {cause:#}")]
pub struct Failure {
    /// Name of the step.
    pub step: &'static str,
    /// Why.
    pub cause: anyhow::Error,
}

type Step = for<'a> fn(&'a mut World) -> LocalBoxFuture<'a, anyhow::Result<String>>;

const STEPS: &[(&str, Step)] = &[
    ("start", |world| Box::pin(world.start())),
    ("provision", |world| Box::pin(world.provision())),
    ("onboarding: no", |world| {
        Box::pin(world.onboarding_says_no())
    }),
    ("log in", |world| Box::pin(world.log_in())),
    ("onboarding: yes", |world| {
        Box::pin(world.onboarding_says_yes())
    }),
    ("workspace", |world| Box::pin(world.make_workspace())),
    ("send", |world| Box::pin(world.send())),
    ("location: CLOUD", |world| Box::pin(world.is_in_the_cloud())),
    ("prompt", |world| Box::pin(world.prompt())),
    ("work in the VM", |world| Box::pin(world.work_was_done())),
    ("pull", |world| Box::pin(world.pull())),
    ("location: DESKTOP", |world| {
        Box::pin(world.is_on_the_desktop())
    }),
    ("same commit here", |world| Box::pin(world.has_the_commit())),
    ("history intact", |world| {
        Box::pin(world.history_is_intact())
    }),
    ("session goes on", |world| Box::pin(world.session_goes_on())),
    ("remove", |world| Box::pin(world.remove())),
];

/// Takes the steps up to and with the named one and stops there; dropping the world removes it.
///
/// # Errors
/// The first step that failed, by its name.
pub async fn up_to(options: Options, last: &'static str) -> Result<World, Failure> {
    let mut world = World::new(options).map_err(|cause| Failure {
        step: "start",
        cause,
    })?;
    world.go_on(last).await?;
    Ok(world)
}

impl World {
    /// Takes the steps that follow, up to and with the named one.
    ///
    /// # Errors
    /// The first step that failed, by its name.
    pub async fn go_on(&mut self, last: &'static str) -> Result<(), Failure> {
        while let Some((step, act)) = STEPS.get(self.taken).copied() {
            act(self).await.map_err(|cause| Failure { step, cause })?;
            self.taken += 1;
            if step == last {
                return Ok(());
            }
        }
        Err(Failure {
            step: last,
            cause: anyhow::anyhow!("there is no such step"),
        })
    }
}

/// Runs every step in order, telling each one as it is done, until `interrupted` resolves.
/// Whatever happens, nothing stays behind unless the options say so.
///
/// # Errors
/// The first step that failed, by its name.
pub async fn run(
    options: Options,
    interrupted: impl Future<Output = ()>,
    mut tell: impl FnMut(&Done),
) -> Result<(), Failure> {
    let keep = options.keep;
    let mut world = World::new(options).map_err(|cause| Failure {
        step: "start",
        cause,
    })?;
    let mut outcome = Ok(());
    let mut interrupted = std::pin::pin!(interrupted);
    for (step, act) in STEPS.iter().copied() {
        if keep && step == "remove" {
            continue;
        }
        let begun = Instant::now();
        let acted = tokio::select! {
            acted = act(&mut world) => acted,
            () = &mut interrupted => Err(anyhow::anyhow!("interrupted")),
        };
        match acted {
            Ok(seen) => tell(&Done {
                step,
                seen,
                took: begun.elapsed(),
            }),
            Err(cause) => {
                outcome = Err(Failure { step, cause });
                break;
            }
        }
    }
    if keep {
        tell(&Done {
            step: "kept",
            seen: world.whereabouts(),
            took: Duration::ZERO,
        });
        if outcome.is_ok() {
            interrupted.await;
        }
        world.leave_in_place();
        return outcome;
    }
    let stopped = world.stop_server().await;
    outcome?;
    stopped.map_err(|cause| Failure {
        step: "remove",
        cause,
    })
}
