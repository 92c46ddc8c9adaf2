//! Viewers that come while a program draws see what one sees that was there all the while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_client::socket::{TerminalEvent, TerminalOptions, TerminalSocket};
use ff_client::{EngineClient, TerminalPlace};
use ff_protocol::terminal::{CreateTerminal, Size};
use ff_testkit::journey::outside::look_inside;
use ff_testkit::journey::up_to;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::picture;
use crate::stage::options;

const SIZE: Size = Size {
    cols: 100,
    rows: 30,
};
/// Something to look at: a repository with a few commits.
const PREPARE: &str = r#"
mkdir ~/look && cd ~/look && git init -q . && git config user.name t && git config user.email t@example.com
for n in 1 2 3 4 5 6; do
  for l in $(seq 1 40); do echo "line $l of version $((l % n)), café 你好"; done > text
  git add . && git commit -qm "Version $n"
done
"#;

/// What is typed, with pauses in which others come.
struct Play {
    name: &'static str,
    keys: &'static [&'static str],
}

const PLAYS: &[Play] = &[
    Play {
        name: "vim",
        keys: &[
            "vim -u NONE -N -n text\r",
            ":set number\r",
            ":split\r",
            "5jdd",
            "Gzzoadded",
            "\u{1b}",
        ],
    },
    Play {
        name: "less",
        keys: &["less -N text\r", " ", "/version 3\r", "kk"],
    },
    Play {
        name: "git-log",
        keys: &[
            "git -c color.ui=always -c core.pager='less -R' log -p\r",
            " ",
            " ",
            "G",
        ],
    },
    Play {
        name: "top",
        keys: &["top -d 0.4\r", "1", "c", "f"],
    },
    Play {
        name: "progress",
        keys: &[
            "for i in $(seq 1 60); do printf '\\r\\033[32m%3d%%\\033[0m [%-60s]' $i \"$(printf '#%.0s' $(seq 1 $i))\"; sleep 0.05; done; echo\r",
            "",
            "",
        ],
    },
    Play {
        name: "gh",
        keys: &["gh auth login\r", "\u{1b}[B", "\u{1b}[A"],
    },
    Play {
        name: "claude",
        keys: &["claude\r", "", "", "", "\u{1b}[B", "\u{1b}[B"],
    },
];

/// What one viewer has got.
#[derive(Debug, Default)]
struct Got {
    drawn: Vec<u8>,
    /// Offset of the first byte of output after that.
    start: usize,
    output: Vec<u8>,
    redraws: usize,
}

struct Viewer {
    got: Arc<Mutex<Got>>,
    watching: JoinHandle<()>,
}

impl Viewer {
    fn new(mut socket: TerminalSocket) -> Self {
        let got = Arc::new(Mutex::new(Got::default()));
        let into = Arc::clone(&got);
        let watching = tokio::spawn(async move {
            while let Some(Ok(event)) = socket.next().await {
                let mut got = into.lock().unwrap();
                match event {
                    TerminalEvent::Output(bytes) => got.output.extend_from_slice(&bytes),
                    TerminalEvent::Redraw(bytes) => got.drawn.extend_from_slice(&bytes),
                    TerminalEvent::Live { offset } => {
                        got.start = usize::try_from(offset).unwrap();
                        got.redraws += 1;
                    }
                    TerminalEvent::Attached { .. } | TerminalEvent::Resized(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        Self { got, watching }
    }

    fn end(&self) -> usize {
        let got = self.got.lock().unwrap();
        got.start + got.output.len()
    }

    /// All it got, up to an offset of the output.
    fn up_to(&self, end: usize) -> Vec<u8> {
        assert!(!self.watching.is_finished(), "its socket ended");
        let got = self.got.lock().unwrap();
        [&got.drawn[..], &got.output[..end - got.start]].concat()
    }
}

async fn play(
    engine: &EngineClient,
    place: &TerminalPlace,
    container: &str,
    play: &Play,
) -> String {
    let create = CreateTerminal {
        name: Some(play.name.to_owned()),
        size: SIZE,
    };
    let terminal = engine.create_terminal(place, &create).await.unwrap();
    let attach = async |from| {
        let options = TerminalOptions {
            size: SIZE,
            from,
            ..Default::default()
        };
        engine.attach(place, &terminal.id, options).await.unwrap()
    };
    let socket = attach(Some((terminal.incarnation.clone(), 0))).await;
    let input = socket.input();
    let stayed = Viewer::new(socket);
    input.send("cd ~/look; clear\r").await.unwrap();
    let mut came = Vec::new();
    for keys in play.keys {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        came.push(Viewer::new(attach(None).await));
        input.send(*keys).await.unwrap();
    }
    came.push(Viewer::new(attach(None).await));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ends = came.iter().chain([&stayed]).map(Viewer::end);
    let end = ends.min().unwrap();
    let size = (SIZE.cols, SIZE.rows);
    let name = |nth: usize| format!("{}-{nth}", play.name);
    let wanted = picture::of(container, &name(0), &stayed.up_to(end), size).await;
    for (nth, viewer) in came.iter().enumerate() {
        let redraws = viewer.got.lock().unwrap().redraws;
        assert_eq!(redraws, 1, "{}: {nth}", play.name);
        let found = picture::of(container, &name(nth + 1), &viewer.up_to(end), size).await;
        assert!(
            found == wanted,
            "{}: who came at {nth} sees\n{found}\nin place of\n{wanted}",
            play.name
        );
    }
    engine.close_terminal(place, &terminal.id).await.unwrap();
    format!(
        "{}: {end} bytes, {} came, all see the same",
        play.name,
        came.len()
    )
}

#[tokio::test]
async fn who_comes_in_the_middle_sees_what_one_sees_that_never_left() {
    let world = up_to(options(), "provision").await.unwrap();
    let container = world.container().unwrap();
    look_inside(container, PREPARE).await.unwrap();
    let engine = world.client().unwrap().engine().clone();
    let place = TerminalPlace::Vm(world.vm().unwrap());
    let all = PLAYS
        .iter()
        .map(|one| play(&engine, &place, container, one));
    for line in join_all(all).await {
        println!("{line}");
    }
}
