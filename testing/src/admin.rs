//! Drives: the admin pages of a broker, as an HTTP client sees them.

use std::io::{Read, Result, Write};
use std::net::TcpStream;

use crate::PATIENCE;

/// Sends these bytes and reads until the broker closes the connection.
pub fn exchange(port: u16, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A page with its status line and headers.
pub fn get(port: u16, path: &str) -> Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    exchange(port, request.as_bytes())
}

/// A page's status, 0 where it has none, and its text.
pub fn page(port: u16, path: &str) -> Result<(u16, String)> {
    let answer = get(port, path)?;
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    Ok((status.parse().unwrap_or(0), text.to_owned()))
}

/// The text of the page of metrics, if the broker answers.
pub fn metrics(port: u16) -> Option<String> {
    page(port, "/metrics").ok().map(|(_, text)| text)
}

/// The number at the end of the first line of metrics that begins so.
pub fn metric(port: u16, begins: &str) -> Option<f64> {
    let page = metrics(port)?;
    let line = page.lines().find(|line| line.starts_with(begins))?;
    line.rsplit(' ').next()?.parse().ok()
}
