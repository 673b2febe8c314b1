//! AWS, as far as moto plays it on loopback.

use super::running::Owned;
use super::*;

/// A running `moto_server`; gone when dropped.
pub struct Moto {
    _process: Owned,
    port: u16,
}

impl Moto {
    /// Starts one; none where it or the AWS CLI is not installed.
    pub fn start() -> Option<Self> {
        for (program, package) in [("moto_server", "moto[server]"), ("aws", "awscli")] {
            if !is_installed(program, &format!("pip install '{package}'")) {
                return None;
            }
        }
        let port = free_port();
        let mut command = Command::new("moto_server");
        let process = Owned::service(command.args(["-H", "127.0.0.1", "-p", &port.to_string()]), port);
        Some(Self { _process: process, port })
    }

    /// What a program needs to take this for AWS, and nothing of the machine's own account.
    pub fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_DEFAULT_REGION", "eu-central-1");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_PAGER", "");
        command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN")
    }

    /// What the AWS CLI prints for `args`.
    pub fn aws(&self, args: &[&str]) -> String {
        Ended::answer(self.prepare(&mut Command::new("aws")).args(args))
    }
}
