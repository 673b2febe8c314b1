//! As much of the crate `lambda_runtime` as these examples need. They have no dependencies: they compile in a second, and
//! offline.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;

/// Answers each event with what `handler` makes of it.
pub fn run(handler: impl Fn(&str) -> String) -> Result<()> {
    let host = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap_or_default();
    loop {
        let (id, event) = request(&host, "GET", "next", "")?;
        request(&host, "POST", &format!("{id}/response"), &handler(&event))?;
    }
}

/// The request id and the body of the runtime's answer.
fn request(host: &str, verb: &str, path: &str, body: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "{verb} /2018-06-01/runtime/invocation/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let (mut id, mut length, mut line) = (String::new(), 0, String::new());
    let mut answer = BufReader::new(stream);
    while answer.read_line(&mut line)? > 2 {
        let (name, value) = line.split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => id = value.trim().to_string(),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    Ok((id, String::from_utf8_lossy(&body).into_owned()))
}
