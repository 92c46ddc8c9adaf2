//! What a terminal shows that was given some bytes, as tmux sees it.

use std::path::Path;

use ff_testkit::journey::outside::look_inside;
use ff_testkit::journey::process::Run;

/// Shows bytes to a tmux in a container, of this size; gives the cells with their attributes, the
/// cursor's place, and whether the alternate screen is shown.
pub async fn of(container: &str, name: &str, bytes: &[u8], (cols, rows): (u16, u16)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bytes");
    std::fs::write(&file, bytes).unwrap();
    put(container, &file, name).await;
    // The last sign that it was all read is tmux's own.
    let script = format!(
        "t='tmux -f /dev/null -L {name}'; \
         $t new-session -d -x {cols} -y {rows} 'stty raw -echo; cat ~/{name}; tmux -L {name} wait-for -S read; sleep 60'; \
         $t set -g status off; $t wait-for read; sleep 0.3; \
         $t capture-pane -p -e; $t display-message -p '#{{cursor_x}},#{{cursor_y}} #{{alternate_on}} #{{pane_width}}x#{{pane_height}}'; \
         $t kill-server"
    );
    let seen = look_inside(container, &script).await.unwrap();
    assert!(seen.ends_with(&format!("{cols}x{rows}")), "{seen}");
    seen
}

async fn put(container: &str, file: &Path, name: &str) {
    let to = format!("{container}:/home/ff/{name}");
    let copy = ["cp", file.to_str().unwrap(), &to];
    Run::new("docker").args(copy).ok().await.unwrap();
    let readable = format!("/home/ff/{name}");
    let chmod = [
        "exec", "--user", "root", container, "chmod", "0644", &readable,
    ];
    Run::new("docker").args(chmod).ok().await.unwrap();
}
