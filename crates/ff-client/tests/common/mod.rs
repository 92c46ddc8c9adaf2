//! A server on a port of its own.

use axum::Router;
use ff_client::{Auth, CloudClient};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Ends with the test.
pub struct Server {
    pub url: String,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, task }
    }

    pub fn client(&self) -> CloudClient {
        CloudClient::new(&self.url, Auth::User("test-user".parse().unwrap())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
