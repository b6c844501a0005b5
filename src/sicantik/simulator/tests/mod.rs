//! Tests of the simulator: `data` without a socket, `wire` over a real one.

mod data;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Options, serve};

/// Nothing in these tests takes as long.
const DEADLINE: Duration = Duration::from_secs(20);

/// A simulator on a port of its own.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

/// What came back over a connection.
struct RawResponse {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Running {
    async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, options, stop.clone().cancelled_owned()));
        Self { address, stop, task }
    }

    /// All bytes that come back for one request on its own connection.
    async fn raw(&self, method: &str, target: &str, headers: &str) -> Vec<u8> {
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let head = format!(
                "{method} {target} HTTP/1.1\r\nHost: s\r\nConnection: close\r\n{headers}\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            // A connection that is reset has brought what it has brought.
            let _ = stream.read_to_end(&mut all).await;
            all
        };
        timeout(DEADLINE, talk).await.unwrap()
    }

    async fn ask(&self, target: &str, headers: &str) -> RawResponse {
        RawResponse::parse(&self.raw("GET", target, headers).await)
    }

    /// An endpoint's answer in JSON.
    async fn api(&self, endpoint: &str) -> (u16, Value) {
        let target = format!("/backoffice/api/{endpoint}");
        let reply = self.ask(&target, "Accept: application/json\r\n").await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
    }

    async fn control(&self, method: &str, rest: &str) -> Value {
        let reply = RawResponse::parse(&self.raw(method, &format!("/_simulator/{rest}"), "").await);
        serde_json::from_slice(&reply.body).unwrap()
    }

    async fn truth(&self) -> Vec<Value> {
        let reply = self.ask("/_simulator/truth?format=ndjson", "").await;
        let lines = String::from_utf8(reply.body).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.unwrap().unwrap().unwrap();
    }
}

impl RawResponse {
    fn parse(all: &[u8]) -> Self {
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = all[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunk(&body);
        }
        Self { status, head, body }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}

/// Percent-encodes base64 for a query.
fn in_query(number: &str) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(number);
    encoded.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}
