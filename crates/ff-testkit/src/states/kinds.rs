//! The kinds of state that move.

use super::Random;

/// A kind of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each name says it, and the script of each shows it"
)]
pub enum Kind {
    SparseCone,
    SparsePatterns,
    Commits,
    CarriageReturns,
    Filtered,
    AutoCrlf,
    Stash,
    StashUntracked,
    StashOfAnother,
    Merge,
    MergeResolved,
    CherryPick,
    CherryPickMany,
    Revert,
    Rebase,
    RebaseInteractive,
    Staged,
    StagedAndEdited,
    StagedNew,
    StagedThenGone,
    Unstaged,
    Untracked,
    ExecutableBit,
    ExecutableStaged,
    Links,
    Deleted,
    DeletedStaged,
    Renamed,
    IntentToAdd,
    IntentThenGone,
    AssumeUnchanged,
    SkipWorktree,
    FileAndDirectory,
    OddNames,
    OddNamesStaged,
    EmptyDirectories,
    OddModes,
    Binary,
    IgnoredStays,
    IgnoredCarried,
    OwnExcludes,
    Remotes,
    Upstream,
    SubmoduleNotCheckedOut,
}

use Kind as K;

const START: &str = r#"set -e
B=$(git symbolic-ref -q --short HEAD || sed s,refs/heads/,, "$(git rev-parse --git-path rebase-merge/head-name)")"#;

impl Kind {
    /// All of them, in the order in which they are made.
    pub const ALL: [Kind; 44] = [
        K::Commits,
        K::Stash,
        K::StashUntracked,
        K::StashOfAnother,
        K::SparseCone,
        K::SparsePatterns,
        K::Merge,
        K::MergeResolved,
        K::CherryPick,
        K::CherryPickMany,
        K::Revert,
        K::Rebase,
        K::RebaseInteractive,
        K::CarriageReturns,
        K::Filtered,
        K::AutoCrlf,
        K::Staged,
        K::StagedAndEdited,
        K::StagedNew,
        K::StagedThenGone,
        K::Unstaged,
        K::Untracked,
        K::ExecutableBit,
        K::ExecutableStaged,
        K::Links,
        K::Deleted,
        K::DeletedStaged,
        K::Renamed,
        K::IntentToAdd,
        K::IntentThenGone,
        K::AssumeUnchanged,
        K::SkipWorktree,
        K::FileAndDirectory,
        K::OddNames,
        K::OddNamesStaged,
        K::EmptyDirectories,
        K::OddModes,
        K::Binary,
        K::IgnoredStays,
        K::IgnoredCarried,
        K::OwnExcludes,
        K::Remotes,
        K::Upstream,
        K::SubmoduleNotCheckedOut,
    ];

    /// Its name.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// Kinds of one group exclude each other.
    pub(super) fn group(self) -> Option<u8> {
        match self {
            K::Merge
            | K::MergeResolved
            | K::CherryPick
            | K::CherryPickMany
            | K::Revert
            | K::Rebase
            | K::RebaseInteractive => Some(0),
            K::SparseCone | K::SparsePatterns => Some(1),
            _ => None,
        }
    }

    /// The piece of `bash` that makes it. `$B` is the branch, `$N` a number of its own.
    pub fn script(self, random: &mut Random) -> String {
        let n = random.below(1_000_000);
        format!("{START}\nN={n}\n{}", self.body())
    }

    fn body(self) -> &'static str {
        match self {
            K::SparseCone => "git sparse-checkout set --cone pool bin >/dev/null",
            K::SparsePatterns => "git sparse-checkout set --no-cone '/*' '!/dir/deep/' >/dev/null",
            K::Commits => {
                "for i in 1 2; do echo $N.$i >> pool/f1; echo $N > own-$N-$i; git add -A; git commit -qm \"own $N.$i\"; done"
            }
            K::CarriageReturns => {
                "rm -f lines.crlf; git checkout -q -- lines.crlf; grep -q $'\\r' lines.crlf; printf 'made here\\n' > made-$N.crlf"
            }
            K::Filtered => {
                "rm -f voice.shout; git checkout -q -- voice.shout; echo loud > made-$N.shout; git add made-$N.shout"
            }
            K::AutoCrlf => {
                "git config core.autocrlf true; rm pool/f3; git checkout -q -- pool/f3; grep -q $'\\r' pool/f3"
            }
            K::Stash => "echo stash $N >> pool/f2; git stash push -q -m \"kept $N\"",
            K::StashUntracked => {
                "echo $N > left-$N; echo y >> pool/f3; git add pool/f3; echo z >> pool/f3; git stash push -q -u"
            }
            K::StashOfAnother => {
                "echo $N >> pool/f2; git stash store -m \"On elsewhere: $N\" $(git stash create); git checkout -q -- pool/f2"
            }
            K::Merge => {
                "git checkout -q -b side-$N; echo theirs > clash; echo $N > from-side-$N; git add from-side-$N; git commit -qam theirs; git checkout -q $B; echo ours > clash; git commit -qam ours; ! git merge -q side-$N >/dev/null 2>&1; git branch -qD side-$N"
            }
            K::MergeResolved => {
                "git checkout -q -b side-$N; echo theirs > clash; git commit -qam theirs; git checkout -q $B; echo ours > clash; git commit -qam ours; ! git merge -q side-$N >/dev/null 2>&1; echo both > clash; git add clash; git branch -qD side-$N"
            }
            K::CherryPick => {
                "git checkout -q -b side-$N; echo theirs > clash; git commit -qam theirs; git checkout -q $B; echo ours > clash; git commit -qam ours; ! git cherry-pick side-$N >/dev/null 2>&1; git branch -qD side-$N"
            }
            K::CherryPickMany => {
                "git checkout -q -b side-$N; echo theirs > clash; git commit -qam theirs; echo $N > later-$N; git add later-$N; git commit -qm later; git checkout -q $B; echo ours > clash; git commit -qam ours; ! git cherry-pick $B..side-$N >/dev/null 2>&1; git branch -qD side-$N"
            }
            K::Revert => {
                "echo one > clash; git commit -qam one; echo two > clash; git commit -qam two; ! git revert --no-edit HEAD~1 >/dev/null 2>&1"
            }
            K::Rebase => {
                "git checkout -q -b side-$N; echo theirs > clash; git commit -qam theirs; git checkout -q $B; echo ours > clash; git commit -qam ours; echo $N > after-$N; git add after-$N; git commit -qm after; ! git rebase -q side-$N >/dev/null 2>&1; git branch -qD side-$N"
            }
            K::RebaseInteractive => {
                "for i in 1 2 3; do echo $i > step-$N-$i; git add step-$N-$i; git commit -qm \"step $i\"; done; GIT_SEQUENCE_EDITOR=\"sed -i '1s/^pick/edit/;2s/^pick/squash/'\" git rebase -q -i HEAD~3 >/dev/null 2>&1 || true; test -d \"$(git rev-parse --git-path rebase-merge)\""
            }
            K::Staged => "echo $N >> pool/f4; git add pool/f4",
            K::StagedAndEdited => {
                "echo $N >> pool/f4; git add pool/f4; echo more >> pool/f4; sed -i 1d pool/f4"
            }
            K::StagedNew => "echo $N > new-$N; mkdir -p new; echo $N > new/$N; git add -- new-$N",
            K::StagedThenGone => "echo $N > gone-$N; git add gone-$N; rm gone-$N",
            K::Unstaged => "echo $N >> pool/f5",
            K::Untracked => {
                "echo $N > untracked-$N; mkdir -p un/tracked/$N; echo x > un/tracked/$N/x; : > un/empty-$N"
            }
            K::ExecutableBit => "chmod +x pool/f6; chmod -x bin/run",
            K::ExecutableStaged => "git update-index --chmod=+x pool/f7",
            K::Links => {
                "ln -s nowhere/at/all link-$N; ln -s /etc/hostname out-$N; mkdir -p dir; ln -sfn changed dir/link; rm -f pool/f8; ln -s f0 pool/f8"
            }
            K::Deleted => "rm -f pool/f9",
            K::DeletedStaged => "git rm -q --cached pool/f10",
            K::Renamed => "git mv data.bin pool/moved-$N",
            K::IntentToAdd => {
                "echo $N > intent-$N; git add -N intent-$N; : > intent-empty-$N; chmod +x intent-empty-$N; git add -N intent-empty-$N"
            }
            K::IntentThenGone => "echo x > intended-$N; git add -N intended-$N; rm intended-$N",
            K::AssumeUnchanged => {
                "git update-index --assume-unchanged pool/f11; echo hidden $N >> pool/f11"
            }
            K::SkipWorktree => {
                "git update-index --skip-worktree pool/f0 pool/f1; echo other $N >> pool/f0; rm pool/f1"
            }
            K::FileAndDirectory => {
                "rm -rf becomes-dir becomes-file; mkdir becomes-dir; echo $N > becomes-dir/in; echo $N > becomes-file"
            }
            K::OddNames => {
                "for name in 'sp ace' $'new\\nline' $'\\xff\\xfe' '-dash' '\"quote\"' $'tab\\t' '*?[a]' 'per%41cent' 'back\\slash' \"$(printf 'long%.0s' $(seq 1 50))\"; do echo $N > \"./$name\"; done; mkdir -p $'d\\xc3\\n'; echo x > $'d\\xc3\\n/x'"
            }
            K::OddNamesStaged => {
                "for name in 'st aged' $'staged\\nline' $'staged\\xff' ':(glob)staged' '\"staged'; do echo $N > \"./$name\"; git --literal-pathspecs add -- \"$name\"; done"
            }
            K::EmptyDirectories => "mkdir -p empty-$N/a/b empty-$N/c",
            K::OddModes => {
                "chmod 600 pool/f2; mkdir -p private-$N; echo x > private-$N/a; chmod 640 private-$N/a; chmod 700 private-$N; mkdir closed-$N; echo y > closed-$N/f; chmod 555 closed-$N"
            }
            K::Binary => {
                "head -c 300000 /dev/urandom > blob-$N; head -c 100000 /dev/urandom > staged-blob-$N; git add staged-blob-$N; : > zero-$N"
            }
            K::IgnoredStays => {
                "echo secret > .env.stays; mkdir -p cache.stays/sub; echo x > cache.stays/sub/x; mkdir -p half-$N; echo x > half-$N/x.stays; echo y > half-$N/y"
            }
            K::IgnoredCarried => {
                "printf '{\"scripts\": {}, \"carry\": [\"local.carried\", \"deps.carried/\", \"some.carried/in\"]}' > factory-factory.json; echo $N > local.carried; mkdir -p deps.carried/a some.carried/in; echo $N > deps.carried/a/b; echo $N > some.carried/in/x"
            }
            K::OwnExcludes => "echo 'probe-of-own' >> \"$(git rev-parse --git-path info/exclude)\"",
            K::Remotes => {
                "git remote add fork-$N https://me:s3cret-token@example.test/o/fork.git; git remote set-url --push fork-$N git@example.test:o/fork.git; git config --add remote.fork-$N.fetch '^refs/heads/wip'"
            }
            K::Upstream => {
                "git config branch.$B.remote origin; git config branch.$B.merge refs/heads/main; git config branch.$B.rebase true"
            }
            K::SubmoduleNotCheckedOut => {
                "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub-$N; mkdir -p sub-$N; git config -f .gitmodules submodule.sub-$N.path sub-$N; git config -f .gitmodules submodule.sub-$N.url https://example.test/o/sub.git"
            }
        }
    }
}

/// What is done to a workspace on the other side: what was half-way is ended or left, a stash is
/// taken out or left, and then files are edited, staged, renamed, deleted, and perhaps committed.
pub fn after(random: &mut Random) -> String {
    let n = random.below(1_000_000);
    let ends = random.below(2) == 0;
    let pops = random.below(2) == 0;
    let commits = random.below(2) == 0;
    format!("N={n} ENDS={ends} POPS={pops} COMMITS={commits}\n{AFTER}")
}

const AFTER: &str = r#"
set -e
at() { test -e "$(git rev-parse --git-path "$1")"; }
if $ENDS; then
  for name in MERGE_HEAD:merge CHERRY_PICK_HEAD:cherry-pick REVERT_HEAD:revert rebase-merge:rebase; do
    while at ${name%:*}; do
      if [ -f clash ] && git ls-files -u | grep -q .; then echo settled > clash; git add clash; fi
      git add -u
      git -c core.editor=true ${name#*:} --continue >/dev/null 2>&1 || { git status >&2; exit 9; }
    done
  done
fi
busy=false
for name in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge; do if at $name; then busy=true; fi; done
echo "there $N" > there-$N
git add there-$N
if $COMMITS && ! $busy; then git commit -qm "there $N"; fi
if $POPS && ! $busy; then git stash list | grep -q . && { git stash drop -q; true; } || true; fi
if ! $busy; then echo "kept there" > for-stash-$N; git stash push -q -u -- for-stash-$N 2>/dev/null || rm -f for-stash-$N; fi
echo "edited there" >> pool/f5
rm -f pool/f2
if [ -e pool/f3 ]; then git mv -f pool/f3 pool/renamed-$N; fi
mkdir -p there/$N && echo x > there/$N/x && chmod +x there/$N/x
if [ -e bin/run ]; then echo again >> bin/run; git add bin/run; fi
"#;
