//! Kinds of state that do not move: the send is refused and names them.

/// A kind of state that stays.
#[derive(Debug)]
pub struct Staying {
    /// Its name.
    pub name: &'static str,
    /// Makes it in a clean worktree.
    pub make: &'static str,
    /// What the refusal has to name.
    pub named: &'static str,
    /// Undoes it.
    pub undo: &'static str,
}

/// All of them.
pub const STAYING: [Staying; 7] = [
    Staying {
        name: "nested repository",
        make: "mkdir -p in/here; git init -q in/here; echo x > in/here/x",
        named: "in/here",
        undo: "rm -rf in",
    },
    Staying {
        name: "submodule checked out",
        make: "git init -q lib; git -C lib -c user.name=A -c user.email=a@example.test commit -q --allow-empty -m x; git add lib 2>/dev/null",
        named: "submodule lib",
        undo: "git rm -q --cached lib; rm -rf lib",
    },
    Staying {
        name: "bisect",
        make: "git bisect start >/dev/null",
        named: "bisect",
        undo: "git bisect reset >/dev/null 2>&1",
    },
    Staying {
        name: "rebase with exec",
        make: "git rebase -q -x false -x true HEAD~1 >/dev/null 2>&1 || true",
        named: "exec",
        undo: "git rebase --abort",
    },
    Staying {
        name: "am",
        make: "echo am > clash; git commit -qam am; git format-patch -q -1 --stdout > $(git rev-parse --git-path a-patch); git reset -q --hard HEAD~1; echo other > clash; git commit -qam other; ! git am $(git rev-parse --git-path a-patch) >/dev/null 2>&1",
        named: "git am",
        undo: "git am --abort; git reset -q --hard HEAD~1",
    },
    Staying {
        name: "no branch",
        make: "git branch --show-current > $(git rev-parse --git-path a-branch); git checkout -q --detach",
        named: "on no branch",
        undo: "git checkout -q $(cat $(git rev-parse --git-path a-branch))",
    },
    Staying {
        name: "file beyond the limit",
        make: "truncate -s 5G huge.bin",
        named: "huge.bin",
        undo: "rm huge.bin",
    },
];
