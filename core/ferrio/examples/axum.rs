//! Beside the routes of an axum program: one port, one state.
//!
//!     cargo run -p ferrio --example axum
//!     curl 127.0.0.1:3000/count
//!     curl -X POST 127.0.0.1:3000/say -d 'hello'

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::{get, post};
use ferrio::{Server, State};

/// What HTTP handlers and Socket.IO handlers both see.
#[derive(Clone)]
struct App {
    server: Server,
    said: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let said = Arc::new(AtomicU64::new(0));
    let server = Server::builder().state(Arc::clone(&said)).build();
    server.on("count", |State(said): State<Arc<AtomicU64>>| said.load(Ordering::Relaxed));

    let app = Router::new()
        .route("/count", get(async |Shared(app): Shared<App>| app.said.load(Ordering::Relaxed).to_string()))
        .route("/say", post(say))
        .with_state(App { server: server.clone(), said })
        // Last, so that it comes first: requests on /socket.io/ never reach the routes.
        .layer(server.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://127.0.0.1:3000/");
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            let _ = tokio::signal::ctrl_c().await;
            server.close().await;
        })
        .await
}

/// From HTTP to everybody who is connected.
async fn say(Shared(app): Shared<App>, text: String) -> Result<(), String> {
    app.said.fetch_add(1, Ordering::Relaxed);
    app.server.emit("said", text).map_err(|error| error.to_string())
}
