//! Which kinds a repository has, so that each comes often enough.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Random;
use super::kinds::Kind;
use super::stays::{STAYING, Staying};

/// Kinds in one repository, at least.
const FEWEST: usize = 4;
const MOST: usize = 12;

/// A repository to be made.
#[derive(Debug, Clone)]
pub struct Story {
    /// Its own seed.
    pub seed: u64,
    /// Its kinds, in the order in which they are made.
    pub kinds: Vec<Kind>,
    /// What is tried in it and must be refused by name.
    pub stays: &'static Staying,
}

/// Plans repositories: the kind that came least often comes next, with others at random.
pub fn stories(seed: u64, count: usize) -> Vec<Story> {
    let mut random = Random::new(seed);
    let mut came: BTreeMap<Kind, usize> = Kind::ALL.iter().map(|kind| (*kind, 0)).collect();
    let mut stories = Vec::new();
    for number in 0..count {
        let wanted = FEWEST + random.below(MOST - FEWEST + 1);
        let mut kinds: Vec<Kind> = Vec::new();
        for turn in 0..wanted * 2 {
            if kinds.len() == wanted {
                break;
            }
            let rarest = came.iter().min_by_key(|(_, count)| **count);
            let kind = match rarest {
                Some((kind, _)) if turn % 2 == 0 => *kind,
                _ => Kind::ALL[random.below(Kind::ALL.len())],
            };
            let clashes = |it: &Kind| it.group().is_some() && it.group() == kind.group();
            if kinds.contains(&kind) || kinds.iter().any(clashes) {
                continue;
            }
            *came.entry(kind).or_default() += 1;
            kinds.push(kind);
        }
        kinds.sort_by_key(|kind| Kind::ALL.iter().position(|it| it == kind));
        stories.push(Story {
            seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
            kinds,
            stays: &STAYING[number % STAYING.len()],
        });
    }
    stories
}

/// How often each kind came, and each two of them together.
#[derive(Debug, Default)]
pub struct Table {
    kinds: BTreeMap<String, usize>,
    pairs: BTreeMap<(Kind, Kind), usize>,
    paired: BTreeMap<Kind, usize>,
    repositories: usize,
}

impl Table {
    /// Counts a repository that was moved.
    pub fn add(&mut self, story: &Story) {
        self.repositories += 1;
        *self.kinds.entry(stays_name(story.stays)).or_default() += 1;
        for (at, kind) in story.kinds.iter().enumerate() {
            *self.kinds.entry(kind.name()).or_default() += 1;
            if story.kinds.len() > 1 {
                *self.paired.entry(*kind).or_default() += 1;
            }
            for other in &story.kinds[at + 1..] {
                *self.pairs.entry((*kind, *other)).or_default() += 1;
            }
        }
    }

    /// Kinds that came less often than this, alone or with another.
    pub fn rare(&self, fewest: usize) -> Vec<String> {
        let moved = Kind::ALL.iter().map(|kind| {
            let paired = self.paired.get(kind).copied().unwrap_or_default();
            (kind.name(), paired)
        });
        let stays = STAYING.iter().map(|it| {
            let name = stays_name(it);
            let count = self.kinds.get(&name).copied().unwrap_or_default();
            (name, count)
        });
        let rare = moved.chain(stays).filter(|(_, count)| *count < fewest);
        rare.map(|(name, count)| format!("{name} came {count} times"))
            .collect()
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = format!("{:32}{:>6}\n", "kind of state", "times");
        for (name, count) in &self.kinds {
            let _ = writeln!(text, "{name:32}{count:>6}");
        }
        let possible = Kind::ALL.len() * (Kind::ALL.len() - 1) / 2;
        let (pairs, repositories) = (self.pairs.len(), self.repositories);
        let _ = writeln!(
            text,
            "{repositories} repositories, {pairs} of {possible} pairs of kinds in one repository"
        );
        text
    }
}

fn stays_name(stays: &Staying) -> String {
    format!("refused: {}", stays.name)
}
