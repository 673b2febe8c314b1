//! AWS, as far as moto plays it on loopback.

use std::net::TcpStream;
use std::process::{Child, Stdio};

use super::*;

/// A running `moto_server`; gone when dropped.
pub struct Moto {
    process: Child,
    port: u16,
}

impl Moto {
    /// Starts one; none where it or the AWS CLI is not installed.
    pub fn start() -> Option<Self> {
        for (program, package) in [("moto_server", "moto[server]"), ("aws", "awscli")] {
            if !on_path(program) {
                skip(program, &format!("it is not installed (pip install '{package}')"));
                return None;
            }
        }
        let port = free_port();
        let mut command = Command::new("moto_server");
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it starts");
        wait_until("moto answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { process, port })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a program needs to take this for AWS, and nothing of the machine's own account.
    pub fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("AWS_ENDPOINT_URL", self.url()).env("AWS_DEFAULT_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_PAGER", "");
        command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN")
    }

    /// What the AWS CLI prints for `args`.
    pub fn aws(&self, args: &[&str]) -> String {
        Ended::of(self.prepare(&mut Command::new("aws")).args(args)).ok().stdout.trim().to_string()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
