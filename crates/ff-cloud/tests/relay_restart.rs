//! Terminals over the death of the server's program: what was shown and what was typed is whole.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ff_client::socket::{TerminalEvent, TerminalSocket};
use ff_client::{Auth, CloudClient, TerminalPlace};
use support::program::World;
use tokio::net::{TcpListener, TcpStream};

const LINES: usize = 20_000;
const TYPED: usize = 300;

/// An address that stays while servers come and go behind it.
struct Front {
    url: String,
    behind: Arc<Mutex<SocketAddr>>,
}

fn address(client: &CloudClient) -> SocketAddr {
    let url = client.base_url().trim_start_matches("http://");
    url.trim_end_matches('/').parse().unwrap()
}

impl Front {
    async fn before(world: &World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = Arc::new(Mutex::new(address(&world.client)));
        let target = Arc::clone(&behind);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let target = *target.lock().unwrap();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self { url, behind }
    }
}

/// Reads until the text shows; whether the connection was lost meanwhile.
async fn until(socket: &mut TerminalSocket, seen: &mut String, text: &str) -> bool {
    let mut lost = false;
    let reading = async {
        while !seen.contains(text) {
            match socket.next().await.unwrap().unwrap() {
                TerminalEvent::Output(bytes) => *seen += &String::from_utf8_lossy(&bytes),
                TerminalEvent::Reconnecting(_) => lost = true,
                TerminalEvent::Exited(code) => panic!("the shell ended with {code}"),
                _ => {}
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(120), reading).await;
    let end: String = seen.chars().rev().take(80).collect();
    assert!(read.is_ok(), "no {text:?} before {end:?} (from its end)");
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_no_output_and_no_keystroke() {
    let mut world = World::new(&[]);
    let front = Front::before(&world).await;
    let user = Auth::User("test-user".parse().unwrap());
    let client = CloudClient::new(&front.url, user).unwrap();
    let (vm, _) = world.vm().await;
    let place = TerminalPlace::Vm(vm.id.clone());
    let engine = client.engine();
    let attach = async || {
        let terminal = engine
            .create_terminal(&place, &Default::default())
            .await
            .unwrap();
        engine
            .attach(&place, &terminal.id, Default::default())
            .await
            .unwrap()
    };
    let (mut shown, mut typed) = (attach().await, attach().await);
    let count = format!(
        "for i in $(seq {LINES}); do echo \"<$i>\"; [ $((i % 1000)) != 0 ] || sleep 0.3; done; echo e''nd\r"
    );
    shown.input().send(count).await.unwrap();
    typed
        .input()
        .send("cat >typed; echo clo''sed\r")
        .await
        .unwrap();

    let mut seen = String::new();
    until(&mut shown, &mut seen, "<4000>").await;
    let input = typed.input();
    let typing = tokio::spawn(async move {
        for number in 0..TYPED {
            input.send(format!("{number}\r")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        input.send("\x04").await.unwrap();
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.restart("KILL", async |_: &World| {}).await;
    *front.behind.lock().unwrap() = address(&world.client);

    let lost = until(&mut shown, &mut seen, "\nend").await;
    assert!(lost, "the server's death was not noticed");
    let numbers = seen
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'));
    let numbers: Vec<usize> = numbers.filter_map(|(it, _)| it.parse().ok()).collect();
    assert!(
        numbers.into_iter().eq(1..=LINES),
        "output is missing or doubled"
    );

    until(&mut typed, &mut String::new(), "closed").await;
    typing.await.unwrap();
    let file = std::fs::read_to_string(world.place(&vm.id).join("home/typed")).unwrap();
    let lines = file.lines().map(|line| line.parse::<usize>().unwrap());
    assert!(lines.eq(0..TYPED), "{file}");
}
