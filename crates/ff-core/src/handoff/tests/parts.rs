//! What is offered, what arrives in pieces, and what is refused before it comes.

use std::io::Cursor;
use std::path::PathBuf;
use std::task::Poll;

use ff_protocol::ErrorCode;
use ff_protocol::handoff::{Arrived, Manifest, Part};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::world::World;
use crate::handoff::Outgoing;

const LARGE: usize = 1 << 20;

/// A send of a workspace with a part that is large, offered to the VM.
async fn offered() -> (World, Outgoing, Manifest, Part) {
    let world = World::new().await;
    let path = world.workspace.worktree_path.clone().unwrap();
    // It must not get smaller in the bundle.
    let noise: Vec<u8> = (0..LARGE as u64 / 32)
        .flat_map(|n| Sha256::digest(n.to_be_bytes()))
        .collect();
    std::fs::write(PathBuf::from(&path).join("large"), noise).unwrap();
    world.commit(&world.desktop, &path, "work.txt");
    let (out, manifest) = world.prepare_send().await;
    let part = manifest.parts.iter().max_by_key(|part| part.size).unwrap();
    assert!(part.size > LARGE as u64 / 2, "{part:?}");
    let part = part.clone();
    (world, out, manifest, part)
}

async fn bytes(world: &World, out: &Outgoing, part: &Part) -> Vec<u8> {
    let path = world
        .desktop
        .core
        .handoff_part(&out.handoff_id, &part.sha256);
    std::fs::read(path.await.unwrap()).unwrap()
}

/// A body that breaks off after its bytes.
fn cut(bytes: &[u8]) -> impl AsyncRead + Unpin + use<> {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Err(std::io::Error::other("the way broke")))
        }
    }
    Cursor::new(bytes.to_vec()).chain(Broken)
}

fn files(world: &World, out: &Outgoing) -> Vec<String> {
    let dir = world
        .vm
        .home
        .join("data/spool")
        .join(out.handoff_id.as_str());
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_part_that_was_cut_goes_on_where_it_was_cut() {
    let (world, out, manifest, part) = offered().await;
    let (vm, id) = (&world.vm.core, &out.handoff_id);
    let whole = bytes(&world, &out, &part).await;
    assert_eq!(vm.handoff_offer(id, &manifest).await.unwrap().arrived, []);
    let (mut at, third) = (0, whole.len() / 3);
    for piece in [third, third / 2] {
        let body = cut(&whole[at..at + piece]);
        let broken = vm.handoff_put_part_from(id, &part, at as u64, body).await;
        assert!(broken.unwrap_err().to_string().contains("broke off"));
        at += piece;
        let arrived = vm.handoff_offer(id, &manifest).await.unwrap().arrived;
        let (sha256, size) = (part.sha256.clone(), at as u64);
        assert_eq!(arrived, [Arrived { sha256, size }]);
    }
    let gap = vm
        .handoff_put_part_from(id, &part, at as u64 + 1, Cursor::new(vec![0]))
        .await;
    assert_eq!(gap.unwrap_err().code(), ErrorCode::Conflict);
    // What comes twice is taken once.
    let again = at - 100;
    let rest = Cursor::new(whole[again..].to_vec());
    vm.handoff_put_part_from(id, &part, again as u64, rest)
        .await
        .unwrap();
    let stored = world
        .vm
        .home
        .join("data/spool")
        .join(id.as_str())
        .join(&part.sha256);
    assert_eq!(std::fs::read(stored).unwrap(), whole);
    world.carry(&world.desktop, &world.vm, &manifest).await;
    vm.handoff_restore(id, &manifest).await.unwrap();
}

#[tokio::test]
async fn bad_input_handoff_5_a_body_that_ends_too_early_is_refused_and_may_go_on() {
    let (world, out, manifest, part) = offered().await;
    let (vm, id) = (&world.vm.core, &out.handoff_id);
    let whole = bytes(&world, &out, &part).await;
    vm.handoff_offer(id, &manifest).await.unwrap();
    let half = whole.len() / 2;
    let early = vm
        .handoff_put_part(id, &part, Cursor::new(whole[..half].to_vec()))
        .await;
    let early = early.unwrap_err();
    assert_eq!(early.code(), ErrorCode::Corrupted);
    assert!(early.to_string().contains("broke off after"), "{early}");
    let rest = Cursor::new(whole[half..].to_vec());
    vm.handoff_put_part_from(id, &part, half as u64, rest)
        .await
        .unwrap();
}

#[tokio::test]
async fn bad_input_handoff_1_a_part_whose_bytes_are_wrong_is_refused_and_begins_anew() {
    let (world, out, manifest, part) = offered().await;
    let (vm, id) = (&world.vm.core, &out.handoff_id);
    let whole = bytes(&world, &out, &part).await;
    vm.handoff_offer(id, &manifest).await.unwrap();
    let mut wrong = whole.clone();
    wrong[17] ^= 1;
    let refused = vm
        .handoff_put_part(id, &part, Cursor::new(wrong))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Corrupted);
    let mut long = whole.clone();
    long.push(0);
    let refused = vm
        .handoff_put_part(id, &part, Cursor::new(long))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TooLarge);
    let stranger = Part {
        sha256: "0".repeat(64),
        ..part.clone()
    };
    let refused = vm
        .handoff_put_part(id, &stranger, Cursor::new(vec![1]))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Invalid);
    assert!(!files(&world, &out).contains(&part.sha256));
    vm.handoff_put_part(id, &part, Cursor::new(whole))
        .await
        .unwrap();
    assert_eq!(files(&world, &out), [part.sha256]);
}

/// A connection of which only the other side knows that it is dead does not stand in the way.
#[tokio::test]
async fn a_newer_upload_of_a_part_ends_an_older_one_that_hangs() {
    let (world, out, manifest, part) = offered().await;
    let (vm, id) = (world.vm.core.clone(), out.handoff_id.clone());
    let whole = bytes(&world, &out, &part).await;
    vm.handoff_offer(&id, &manifest).await.unwrap();
    let (mut feed, hangs) = tokio::io::duplex(1 << 16);
    let hanging = {
        let (vm, id, part) = (vm.clone(), id.clone(), part.clone());
        tokio::spawn(async move { vm.handoff_put_part(&id, &part, hangs).await })
    };
    tokio::io::AsyncWriteExt::write_all(&mut feed, &whole[..1000])
        .await
        .unwrap();
    let begun = format!("{}.arriving", part.sha256);
    while !files(&world, &out).contains(&begun) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    vm.handoff_put_part(&id, &part, Cursor::new(whole))
        .await
        .unwrap();
    let ended = hanging.await.unwrap().unwrap_err();
    assert_eq!(ended.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn bad_input_handoff_3_limits_are_told_before_anything_comes() {
    let (world, out, manifest, part) = offered().await;
    let (vm, id) = (&world.vm.core, &out.handoff_id);
    let mut huge = manifest.clone();
    for it in &mut huge.parts {
        if it.name == part.name {
            it.size = 9 << 30;
        }
    }
    let refused = vm.handoff_offer(id, &huge).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TooLarge);
    assert!(refused.to_string().contains(&part.name), "{refused}");
    let mut full = manifest.clone();
    full.parts.retain(|it| it.name == part.name);
    for (number, it) in full.parts.iter_mut().enumerate() {
        (it.size, it.sha256) = (8 << 30, format!("{number:064x}"));
    }
    for number in 0..200 {
        let name = format!(
            "transcripts/{}/{number}",
            "0199a1b2-0000-7000-8000-000000000001"
        );
        let sha256 = format!("{:064x}", number + 1000);
        full.parts.push(Part {
            name,
            sha256,
            size: 8 << 30,
        });
    }
    full.sessions = vec![super::world::test_session(&world.workspace)];
    let refused = vm.handoff_offer(id, &full).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::TooLarge, "{refused}");
    assert!(refused.to_string().contains("to stay free"), "{refused}");
    assert!(files(&world, &out).is_empty());
}

#[tokio::test]
async fn bad_input_handoff_4_a_manifest_of_a_newer_version_is_refused_before_the_rest_is_read() {
    let (_world, _, manifest, _) = offered().await;
    let text = serde_json::to_string(&manifest).unwrap();
    let format = format!("\"format\":{}", manifest.format);
    assert!(
        text.starts_with(&format!("{{{format}")),
        "it does not come first"
    );
    let newer = text.replacen(&format, "\"format\":99", 1);
    let newer = newer.replacen("\"sessions\":[", "\"sessions\":{\"new\":[", 1);
    let error = serde_json::from_str::<Manifest>(&newer).unwrap_err();
    assert!(error.to_string().contains("format 99"), "{error}");
    assert!(error.to_string().contains("up to date"), "{error}");
}

#[tokio::test]
async fn a_bundle_is_spooled_once_and_anew_only_when_the_workspace_changed() {
    let (world, out, manifest, part) = offered().await;
    let (desktop, id) = (&world.desktop.core, &out.handoff_id);
    let path = desktop.handoff_part(id, &part.sha256).await.unwrap();
    let made = |path: &PathBuf| std::fs::metadata(path).unwrap().modified().unwrap();
    let first = made(&path);
    let again = desktop
        .handoff_begin_send(&world.workspace.id, false)
        .await
        .unwrap();
    assert_eq!(again.handoff_id, *id);
    assert_eq!(desktop.handoff_spool(id, &[]).await.unwrap(), manifest);
    assert_eq!(made(&path), first);
    let dir = world.workspace.worktree_path.clone().unwrap();
    let head = world.commit(&world.desktop, &dir, "more.txt");
    let changed = desktop.handoff_unchanged(id).await.unwrap_err();
    assert_eq!(changed.code(), ErrorCode::Conflict);
    let newer = desktop.handoff_spool(id, &[]).await.unwrap();
    assert_eq!(newer.git.head, head);
}
