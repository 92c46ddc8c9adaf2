//! One repository: it goes, is changed there, and comes back.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::Stage;
use crate::states::{BASE, Random, Shell, Story, Told, after, differences, look};

/// Plays a story; returns what did not hold.
///
/// # Errors
/// A step of it cannot be taken.
pub(super) async fn play(stage: &Stage, number: usize, story: &Story) -> Result<Vec<String>> {
    let mut random = Random::new(story.seed);
    let name = format!("state-{number}");
    let (workspace, here) = begin(stage, &name).await?;

    here.run(story.stays.make)?;
    let refused = stage.ff(["send", &workspace]).outcome().await?;
    ensure!(
        refused.code != 0 && refused.stderr.contains(story.stays.named),
        "with a {} `ff send` says {} {}",
        story.stays.name,
        refused.code,
        refused.stderr
    );
    here.run(story.stays.undo)?;

    for kind in &story.kinds {
        let made = here.run(&kind.script(&mut random));
        made.with_context(|| format!("{kind:?} cannot be made"))?;
    }
    let sent = look(&*here)?;
    stage.ff(["send", &workspace]).ok().await?;
    let there = stage.there(&workspace)?;
    let mut found = Vec::new();
    let mut compare = |way: &str, before: &Told, after: Told| {
        let lost = differences(before, &after);
        found.extend(lost.into_iter().map(|line| format!("{way}: {line}")));
    };
    compare("send", &sent, look(&*there)?);

    there
        .run(&after(&mut random))
        .context("nothing can be done there")?;
    let sent = look(&*there)?;
    stage.ff(["pull", &workspace]).ok().await?;
    compare("pull", &sent, look(&*here)?);
    Ok(found)
}

/// A repository with a workspace: its id, and its directory here.
async fn begin(stage: &Stage, name: &str) -> Result<(String, Box<dyn Shell>)> {
    let (bare, address) = stage.make_remote(name).await?;
    let repo = stage.home().join("src").join(name);
    std::fs::create_dir_all(&repo)?;
    let bare = bare.display();
    stage.here(&repo).run(&format!(
        "set -e\ngit init -q --initial-branch=main\n{BASE}\ngit remote add origin {address}\ngit push -q {bare} main"
    ))?;
    stage
        .ff(["project", "add", &repo.to_string_lossy()])
        .ok()
        .await?;
    let made = stage
        .ff(["--json", "workspace", "new", "A state", "--project", name])
        .json()
        .await?;
    let text = |key: &str| -> Result<String> {
        let found = made.get("workspace").unwrap_or(&made).get(key);
        let found = found.and_then(Value::as_str);
        Ok(found
            .with_context(|| format!("the workspace has no {key}: {made}"))?
            .to_owned())
    };
    let dir = text("worktreePath")?;
    Ok((text("id")?, stage.here(dir.as_ref())))
}
