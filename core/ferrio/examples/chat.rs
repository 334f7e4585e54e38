//! The chat in Rust, with the page of `demo/`: the same program stands there in JavaScript and in Python.
//!
//!     cargo run -p ferrio --example ferrio-demo [port]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use ferrio::{Auth, Binary, Data, EmitError, Server, Socket, State, Target};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).map_or(Ok(3003), |port| port.parse::<u16>())?;
    let server = Server::builder().state(People::default()).build();

    server.on_connect(|socket: Socket, Auth(who): Auth<Who>, State(people): State<People>| {
        socket.emit("welcome", json!({ "language": "Rust" }))?;
        people.enter(&socket, who) // after a reconnect the client tells where it was
    });
    server.on("enter", |socket: Socket, Data(who): Data<Who>, State(people): State<People>| people.enter(&socket, who));
    server.on("message", |socket: Socket, Data(text): Data<String>, State(people): State<People>| {
        people.say(&socket, |room| socket.namespace().to(room), "message", json!({ "text": text }))
    });
    server.on("image", |socket: Socket, Data(image): Data<Image>, State(people): State<People>| {
        people.say(&socket, |room| socket.namespace().to(room), "image", image)
    });
    server.on("typing", |socket: Socket, Data(typing): Data<bool>, State(people): State<People>| {
        people.say(&socket, |room| socket.to(room), "typing", json!({ "typing": typing })) // to all but itself
    });
    server.on_disconnect(|socket: Socket, State(people): State<People>| people.leave(&socket));

    let app = Router::new().fallback(page).layer(server.layer());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ready {port}");
    Ok(axum::serve(listener, app).await?)
}

/// Who is where, by socket id.
#[derive(Default)]
struct People(Mutex<HashMap<String, Who>>);

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Who {
    name: String,
    room: String,
}

#[derive(Serialize, Deserialize)]
struct Image {
    r#type: String,
    data: Binary,
}

/// Whatever somebody says, with the name.
#[derive(Serialize)]
struct Said<T> {
    name: String,
    #[serde(flatten)]
    what: T,
}

impl People {
    fn enter(&self, socket: &Socket, who: Who) -> Result<(), EmitError> {
        self.leave(socket)?;
        if who.name.is_empty() || who.room.is_empty() {
            return Ok(());
        }
        socket.join(&who.room);
        self.lock().insert(socket.id().to_owned(), who.clone());
        self.tell_who_is_there(socket, &who.room)
    }

    fn leave(&self, socket: &Socket) -> Result<(), EmitError> {
        let Some(who) = self.lock().remove(socket.id()) else { return Ok(()) };
        socket.leave(&who.room);
        self.tell_who_is_there(socket, &who.room)
    }

    fn say<T: Serialize>(
        &self,
        socket: &Socket,
        to: impl FnOnce(String) -> Target,
        event: &str,
        what: T,
    ) -> Result<(), EmitError> {
        let Some(Who { name, room }) = self.lock().get(socket.id()).cloned() else { return Ok(()) };
        to(room).emit(event, Said { name, what })
    }

    fn tell_who_is_there(&self, socket: &Socket, room: &str) -> Result<(), EmitError> {
        let there = self.lock().values().filter(|who| who.room == room).map(|who| who.name.clone()).collect::<Vec<_>>();
        socket.namespace().to(room).emit("users", there)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Who>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of the page.
async fn page(uri: Uri) -> Response {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/public");
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let kind = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // Nothing above the folder.
    let plain = PathBuf::from(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    match tokio::fs::read(folder.join(path)).await {
        Ok(content) if plain => ([(header::CONTENT_TYPE, kind)], content).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
