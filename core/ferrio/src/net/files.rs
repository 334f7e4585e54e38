//! The files of `socket.io-client` that browsers load from the server: `/socket.io/socket.io.js` and its kind.
//!
//! They are read once and served from memory: a request chooses among eight names and never reaches the file system.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::exchange::Head;
use crate::config::Config;

/// What is served of a directory, if it is there: the names of the package's `dist`.
const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The client's files. Cloning them is cheap.
#[derive(Clone, Debug)]
pub struct ClientFiles(Arc<[File]>);

#[derive(Debug)]
pub(crate) struct File {
    name: &'static str,
    etag: String,
    pub(super) body: Bytes,
    /// Made when the first client asks for it.
    pub(super) gzip: OnceLock<Bytes>,
}

impl ClientFiles {
    /// Reads them from a directory: `node_modules/socket.io-client/dist`, or wherever they were put.
    ///
    /// # Errors
    /// One of them cannot be read, or none is there.
    pub fn read(directory: impl AsRef<Path>) -> io::Result<Self> {
        let directory = directory.as_ref();
        let mut files = Vec::new();
        for name in NAMES {
            match std::fs::read(directory.join(name)) {
                Ok(body) => files.push(File::new(name, body.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if files.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no socket.io.js, nor another of the client's files",
            ));
        }
        Ok(Self(files.into()))
    }

    /// The file that a request asks for, if it does.
    pub(crate) fn find(&self, head: &Head, config: &Config) -> Option<&File> {
        let path = head.target.split('?').next()?;
        let name = path.strip_prefix(config.path.as_str())?.strip_prefix('/')?;
        self.0.iter().find(|file| file.name == name && head.method == "GET")
    }
}

impl File {
    fn new(name: &'static str, body: Bytes) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        // A weak one: compressed or not, it is the same file.
        let etag = format!("W/\"{:x}-{:08x}\"", body.len(), crc.sum());
        Self { name, etag, body, gzip: OnceLock::new() }
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    pub(super) fn content_type(&self) -> &'static str {
        let map = self.name.ends_with(".map");
        if map { "application/json; charset=utf-8" } else { "application/javascript; charset=utf-8" }
    }

    /// Whether `If-None-Match` says that the client has it.
    pub(super) fn is_known(&self, tags: &str) -> bool {
        let own = self.etag.trim_start_matches("W/");
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == own)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::net::answer::Reply;

    /// A directory with one file of the client's and one that is none.
    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("ferrio-files-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("socket.io.js"), "io();".repeat(1000)).unwrap();
        std::fs::write(directory.join("secret"), "secret").unwrap();
        directory
    }

    fn get(target: &str, headers: &[(&'static str, &str)]) -> Head {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect();
        Head { method: "GET".into(), target: target.into(), headers, ..Head::default() }
    }

    #[test]
    fn only_its_own_names_are_served() {
        let directory = directory("names");
        let (files, config) = (ClientFiles::read(&directory).unwrap(), Config::default());
        let found = |target| files.find(&get(target, &[]), &config).map(|file| file.name);
        assert_eq!(found("/socket.io/socket.io.js"), Some("socket.io.js"));
        assert_eq!(found("/socket.io/socket.io.js?v=4"), Some("socket.io.js"));
        for other in [
            "/socket.io/",
            "/socket.io/secret",
            "/socket.io/socket.io.min.js",
            "/socket.io/../socket.io/socket.io.js",
            "/socket.io/%2e%2e/secret",
            "/socket.io//socket.io.js",
            "/other/socket.io.js",
            "/socket.io/?EIO=4&transport=polling&x=/socket.io.js",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
        let post = Head { method: "POST".into(), ..get("/socket.io/socket.io.js", &[]) };
        assert!(files.find(&post, &config).is_none());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_client_that_has_it_is_not_sent_it() {
        let directory = directory("etag");
        let (files, config) = (ClientFiles::read(&directory).unwrap(), Config::default());
        let answer = |headers: &[(&'static str, &str)]| {
            let head = get("/socket.io/socket.io.js", headers);
            Reply::of(&head, &config).file(files.find(&head, &config).unwrap(), &head)
        };
        let header = |response: &crate::net::Response, name: &str| {
            response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let whole = answer(&[]);
        assert_eq!((whole.status, whole.body.len()), (200, 5000));
        assert_eq!(header(&whole, "content-type").unwrap(), "application/javascript; charset=utf-8");
        let etag = header(&whole, "etag").unwrap();
        for tags in [etag.as_str(), etag.trim_start_matches("W/"), &format!("\"a\", {etag}"), "*"] {
            let known = answer(&[("if-none-match", tags)]);
            assert_eq!((known.status, known.body.len()), (304, 0), "{tags}");
            assert_eq!(header(&known, "etag").unwrap(), etag);
        }
        assert_eq!(answer(&[("if-none-match", "\"a\"")]).status, 200);
        let packed = answer(&[("accept-encoding", "gzip")]);
        assert_eq!(header(&packed, "content-encoding").unwrap(), "gzip");
        assert!(packed.body.len() < 500);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_directory_without_them_is_an_error() {
        let empty = std::env::temp_dir().join(format!("ferrio-files-empty-{}", std::process::id()));
        std::fs::create_dir_all(&empty).unwrap();
        assert_eq!(ClientFiles::read(&empty).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&empty).unwrap();
        assert_eq!(ClientFiles::read(&empty).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
