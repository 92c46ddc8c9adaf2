//! What there is in a workspace, told by git, `find` and `sha256sum`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::shell::Shell;

/// What was seen, by name.
pub type Told = BTreeMap<String, String>;

/// Parts are set apart by a line that no tool prints.
const MARK: &str = "=====ff-oracle=====";

/// Looks at a worktree. What git ignores and nobody carries is named `*.stays` and left out.
///
/// # Errors
/// It cannot be asked.
pub fn look(shell: &dyn Shell) -> Result<Told> {
    let printed = shell.run(&SCRIPT.replace("MARK", MARK))?;
    // Names may be any bytes; what is compared is their escaped form.
    let text = printed.escape_ascii().to_string().replace("\\n", "\n");
    let mut told = Told::new();
    for part in text.split(MARK).skip(1) {
        let (name, seen) = part.split_once('\n').context("a part without a name")?;
        told.insert(name.trim().to_owned(), seen.replace("\\x00", "\n"));
    }
    Ok(told)
}

/// Lines that only one of two has, by part.
pub fn differences(before: &Told, after: &Told) -> Vec<String> {
    let mut found = Vec::new();
    let empty = String::new();
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let one = before.get(name).unwrap_or(&empty);
        let other = after.get(name).unwrap_or(&empty);
        if one == other {
            continue;
        }
        let count = found.len();
        let only = |a: &str, b: &str, sign: &str| {
            let there: Vec<&str> = b.lines().collect();
            let lines = a.lines().filter(|line| !there.contains(line)).take(8);
            lines
                .map(|line| format!("{name}: {sign} {line}"))
                .collect::<Vec<_>>()
        };
        found.extend(only(one, other, "-"));
        found.extend(only(other, one, "+"));
        if found.len() == count {
            found.push(format!("{name}: another order"));
        }
    }
    found
}

const SCRIPT: &str = r#"
part() { printf '\nMARK %s\n' "$1"; }
B=$(git symbolic-ref -q --short HEAD || sed s,refs/heads/,, "$(git rev-parse --git-path rebase-merge/head-name)")
part head; git symbolic-ref -q HEAD || echo detached; git rev-parse HEAD "refs/heads/$B"
part history; git log --format='%H %an %s' HEAD "refs/heads/$B" --
part index; git ls-files -s -v -z
part resolved; git ls-files --resolve-undo -z
part status; git status --porcelain=v2 -z --untracked-files=all
part unstaged; git diff --raw --no-abbrev -z
part staged; git diff --cached --raw --no-abbrev -z
part stashes; git stash list --format='%H %gs' | grep -E "^[0-9a-f]* (WIP on|On) $B: " || true
part stashed; for id in $(git stash list --format='%H %gs' | grep -E "^[0-9a-f]* (WIP on|On) $B: " | cut -d' ' -f1); do git ls-tree -r $id; git rev-parse $id^1 $id^2; git rev-parse -q --verify $id^3 && git ls-tree -r $id^3; done
part things; find . -mindepth 1 \( -path ./.git -o -name '*.stays' \) -prune -o -printf '%y %m %l %p\0' | LC_ALL=C sort -z
part bytes; find . \( -path ./.git -o -name '*.stays' \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum -z
part halfway
for name in MERGE_HEAD MERGE_MSG MERGE_MODE CHERRY_PICK_HEAD REVERT_HEAD REBASE_HEAD ORIG_HEAD AUTO_MERGE SQUASH_MSG; do
  file=$(git rev-parse --git-path $name); if [ -f "$file" ]; then echo "$name $(sha256sum < "$file")"; fi
done
for name in rebase-merge sequencer; do
  dir=$(git rev-parse --git-path $name); if [ -d "$dir" ]; then (cd "$dir"; find . -type f -exec sha256sum {} + | LC_ALL=C sort -k2); fi
done
for name in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD REBASE_HEAD ORIG_HEAD AUTO_MERGE; do
  git rev-parse -q --verify $name >/dev/null && git cat-file -t $(git rev-parse $name) || true
done
part sparse; git config --type=bool --default false core.sparseCheckout; git config --type=bool --default false core.sparseCheckoutCone; git sparse-checkout list 2>/dev/null || true
part remotes; git config --get-regexp '^remote\.fork' | sed 's,//[^/@]*@,//,' | sort
part upstream; git config --get-regexp "^branch\.$B\." | sort
part excludes; git check-ignore -q probe-of-own && echo ignored || echo not ignored
part refs; git for-each-ref --format='%(refname)' refs/ff | grep -v '^refs/ff/retained/' || true
part broken; git fsck --connectivity-only --no-dangling --no-progress 2>&1 | grep -vE '^(notice|Checking)' || true
part done
"#;
