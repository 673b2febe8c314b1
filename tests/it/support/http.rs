//! As much of HTTP as the tests' own servers need: on loopback, one request a connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A server; it takes no more clients when dropped.
pub struct Server {
    pub port: u16,
    closed: Arc<AtomicBool>,
}

impl Server {
    pub fn start(answer: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let closed = Arc::new(AtomicBool::new(false));
        let (stop, answer) = (closed.clone(), Arc::new(answer));
        thread::spawn(move || {
            for client in listener.incoming().flatten().take_while(|_| !stop.load(Ordering::SeqCst)) {
                let answer = answer.clone();
                // What breaks here was meant to, or shows on the other side.
                thread::spawn(move || Request::read(client)?.map_or(Ok(()), |request| answer(request)));
            }
        });
        Self { port, closed }
    }

    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the one who waits for a client.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// What a client asks for.
pub struct Request {
    /// Its first line, `PUT /v2/...`.
    pub line: String,
    /// That line and its headers as they came, but for `Connection`.
    pub head: String,
    /// Of its header `Authorization`, without it empty.
    pub login: String,
    /// The length of its body.
    pub length: u64,
    pub body: BufReader<TcpStream>,
    pub client: TcpStream,
}

impl Request {
    fn read(client: TcpStream) -> io::Result<Option<Self>> {
        let mut body = BufReader::new(client.try_clone()?);
        let (mut head, mut login, mut length) = (String::new(), String::new(), 0);
        loop {
            let mut line = String::new();
            if body.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line == "\r\n" {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            match name.to_lowercase().as_str() {
                "authorization" => login = value.trim().to_string(),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "connection" => continue,
                _ => {}
            }
            head.push_str(&line);
        }
        let line = head.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
        Ok(Some(Self { line, head, login, length, body, client }))
    }

    /// Reads its body, and answers with a status, lines of headers, and a body.
    pub fn answer(mut self, status: u16, headers: &str, body: &[u8]) -> io::Result<()> {
        io::copy(&mut self.body.take(self.length), &mut io::sink())?;
        let length = body.len();
        write!(self.client, "HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
        self.client.write_all(body)
    }
}
