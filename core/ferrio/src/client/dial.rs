//! From a host's name to a stream: addresses, a proxy on the way, TLS.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::failure::Failure;
use super::options::Family;
use super::proxy::Proxy;
use super::target::Target;
use crate::net::Stream;

/// Time until the next address of a host is tried beside those that have not answered (RFC 8305, "happy eyeballs").
const STAGGER: Duration = Duration::from_millis(250);
/// Head of a proxy's answer.
const LONGEST_ANSWER: usize = 8 << 10;

/// Where connections may come from, and lead to.
#[derive(Clone, Copy, Default)]
pub(super) struct From {
    pub(super) address: Option<IpAddr>,
    pub(super) family: Option<Family>,
}

/// How to speak TLS.
pub(super) struct Secure {
    pub(super) config: Arc<ClientConfig>,
    /// The name that the server's certificate is to be for, if it is not the host's.
    pub(super) name: Option<String>,
}

/// Opens a stream to the server.
pub(super) async fn dial(
    target: &Target,
    from: From,
    proxy: Option<&Proxy>,
    tls: Option<&Secure>,
) -> Result<Box<dyn Stream>, Failure> {
    let tcp = match proxy {
        None => connect(&target.host, target.port, from)
            .await
            .map_err(|error| Failure::unreachable(target.place(), &error))?,
        Some(proxy) => tunnel(target, from, proxy).await.map_err(|error| Failure::Proxy {
            proxy: format!("{}:{}", proxy.host, proxy.port),
            host: target.place(),
            why: error.to_string(),
        })?,
    };
    // An emit is not to wait for the answer to the one before.
    let _ = tcp.set_nodelay(true);
    let Some(Secure { config, name: tls_name }) = tls.filter(|_| target.secure) else { return Ok(Box::new(tcp)) };
    let failed = |why: String| Failure::Tls { host: target.place(), why };
    let host = tls_name.as_ref().unwrap_or(&target.host);
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await;
    Ok(Box::new(stream.map_err(|error| failed(error.to_string()))?))
}

/// The first address that answers.
async fn connect(host: &str, port: u16, from: From) -> io::Result<TcpStream> {
    let known = tokio::net::lookup_host((host, port)).await?;
    let mut addresses = interleaved(known.filter(|address| from.reaches(*address)));
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    // Attempts that are overtaken end with the set.
    let mut attempts = JoinSet::new();
    loop {
        if let Some(address) = addresses.pop_front() {
            attempts.spawn(from.connect(address));
        }
        let ended = if addresses.is_empty() {
            attempts.join_next().await
        } else {
            match tokio::time::timeout(STAGGER, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok(Ok(tcp))) => return Ok(tcp),
            Some(Ok(Err(error))) => last = error,
            Some(Err(error)) => last = io::Error::other(error),
            None if addresses.is_empty() => return Err(last),
            None => {}
        }
    }
}

impl From {
    fn reaches(self, address: SocketAddr) -> bool {
        let family =
            self.family.or_else(|| self.address.map(|own| if own.is_ipv6() { Family::V6 } else { Family::V4 }));
        family.is_none_or(|family| address.is_ipv6() == (family == Family::V6))
    }

    async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let Some(own) = self.address else { return TcpStream::connect(address).await };
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket.bind((own, 0).into())?;
        socket.connect(address).await
    }
}

/// Families in turn, beginning with the resolver's first choice.
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let addresses: Vec<_> = addresses.collect();
    let six_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == six_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut mixed = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// A tunnel through a proxy.
async fn tunnel(target: &Target, from: From, proxy: &Proxy) -> io::Result<TcpStream> {
    let mut tcp = connect(&proxy.host, proxy.port, from).await?;
    let place = target.place();
    let authorization = match &proxy.authorization {
        Some(value) => format!("proxy-authorization: {value}\r\n"),
        None => String::new(),
    };
    tcp.write_all(format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{authorization}\r\n").as_bytes()).await?;
    // Byte by byte, so that nothing of the tunnel is taken for the answer.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST_ANSWER {
            return Err(io::Error::other("its answer does not end"));
        }
        answer.push(tcp.read_u8().await?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status.and_then(|status| status.parse::<u16>().ok()) {
        Some(200..300) => Ok(tcp),
        _ => Err(io::Error::other(format!("it answers {line:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(|text| text.parse().unwrap());
        let mixed = interleaved(addresses.into_iter());
        assert_eq!(
            mixed,
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(|text| text.parse().unwrap())
        );
        assert!(interleaved(std::iter::empty()).is_empty());
    }
}
