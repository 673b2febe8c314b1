//! A server of the bench's own on loopback; gone when dropped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::write;
use crate::measure::{Result, shown};

/// A server in Python takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Service {
    process: Child,
    /// Host and port.
    pub address: String,
}

impl Service {
    /// A registry of container images.
    pub fn registry(folder: &Path) -> Result<Self> {
        let address = free_address()?;
        let config = folder.join("config.yml");
        let store = folder.join("store");
        fs::create_dir_all(&store).map_err(|e| format!("{}: {e}", store.display()))?;
        let settings = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {store:?}}}}}\nhttp:\n  addr: {address}\n"
        );
        write(&config, settings)?;
        let mut command = Command::new("docker-registry");
        Self::start(command.arg("serve").arg(&config), address, "Debian: apt-get install docker-registry")
    }

    /// AWS, as far as moto plays it.
    pub fn aws() -> Result<Self> {
        let address = free_address()?;
        let (host, port) = address.split_once(':').unwrap_or_default();
        let mut command = Command::new("moto_server");
        command.args(["-H", host, "-p", port]);
        Self::start(&mut command, address, "pip install 'moto[server]'")
    }

    fn start(command: &mut Command, address: String, how_to_get_it: &str) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let what = shown(command);
        let process =
            command.spawn().map_err(|e| format!("`{what}` does not start: {e}; install it ({how_to_get_it})"))?;
        let service = Self { process, address };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if TcpStream::connect(&service.address).is_ok() {
                return Ok(service);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("`{what}` does not answer within {} s", PATIENCE.as_secs()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> Result<String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    bound.map(|address| address.to_string()).map_err(|e| e.to_string())
}
