//! The values that settings can take.

use std::fmt;

use serde::Deserialize;

/// What the build is for: speed or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The user's release profile with symbols stripped. The default.
    Release,
    /// Compiled in the clean room, with fat LTO in one unit. For the smallest package.
    Prod,
    /// The same as `Prod`, and every layer is built again.
    Docker,
    /// Incremental and unoptimised, without debug info in the zip. The fastest from edit to zip.
    Dev,
}

impl Mode {
    /// The cargo profile of this mode, if no profile is set.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Release | Self::Prod | Self::Docker => "release",
            Self::Dev => "dev",
        }
    }

    /// Whether this mode compiles in the clean room by default.
    pub fn is_for_production(self) -> bool {
        matches!(self, Self::Prod | Self::Docker)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Release => "release",
            Self::Prod => "prod",
            Self::Docker => "docker",
            Self::Dev => "dev",
        })
    }
}

/// The instruction set of the Lambda, named as Lambda names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Arch {
    /// `x86_64`.
    #[serde(rename = "x86_64", alias = "x86_64-unknown-linux-gnu", alias = "amd64")]
    X86_64,
    /// `arm64` (Graviton).
    #[serde(rename = "arm64", alias = "aarch64", alias = "aarch64-unknown-linux-gnu")]
    Arm64,
}

impl Arch {
    /// The Rust target triple.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The C compiler that links for it on machines of the other kind, by the name that the `cc` crate and
    /// distributions know; none on a machine of its own kind.
    pub fn cross_compiler(self) -> Option<&'static str> {
        match self {
            _ if self == Self::of_this_machine() => None,
            Self::X86_64 => Some("x86_64-linux-gnu-gcc"),
            Self::Arm64 => Some("aarch64-linux-gnu-gcc"),
        }
    }

    /// The architecture that this program was compiled for.
    pub fn of_this_machine() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// The Lambda runtime that the zip is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Runtime {
    /// Amazon Linux 2023.
    #[serde(rename = "provided.al2023")]
    ProvidedAl2023,
    /// Amazon Linux 2.
    #[serde(rename = "provided.al2")]
    ProvidedAl2,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProvidedAl2023 => "provided.al2023",
            Self::ProvidedAl2 => "provided.al2",
        })
    }
}

/// The container engine to compile in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The first of docker, podman, finch and nerdctl that answers; otherwise the host.
    Auto,
    /// Docker's `docker`.
    Docker,
    /// `podman`.
    Podman,
    /// AWS's `finch`.
    Finch,
    /// containerd's `nerdctl`.
    Nerdctl,
    /// No container: the host's own toolchain, not hermetic.
    Host,
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Finch => "finch",
            Self::Nerdctl => "nerdctl",
            Self::Host => "host",
        })
    }
}

/// Where the builder container gets its toolchain from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Base {
    /// The builder image; if it is not available, the borrowed toolchain.
    Auto,
    /// The borrowed toolchain: the host's `/usr` and Rust sysroot, mounted read-only.
    Host,
    /// An image with cargo, rustc and a C compiler.
    Image(String),
}

impl From<String> for Base {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "host" => Self::Host,
            _ => Self::Image(text),
        }
    }
}

impl From<Base> for String {
    fn from(base: Base) -> Self {
        base.to_string()
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Host => "host",
            Self::Image(reference) => reference,
        })
    }
}

/// When to ask a registry for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullPolicy {
    /// At every packaging, for a newer image.
    Always,
    /// If the image is not available locally.
    IfMissing,
    /// Never.
    Never,
}

/// What the compile may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing.
    None,
    /// What the engine's default network reaches; for build scripts that need it.
    Bridge,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bridge => "bridge",
        })
    }
}

/// Where the login for the registry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryLogin {
    /// The environment's; otherwise for an ECR registry the AWS CLI's; otherwise the engine's own.
    Auto,
    /// `aws ecr get-login-password`.
    Ecr,
    /// The login stored by `docker login` or `podman login`.
    Engine,
    /// `LAMBDA_PACKAGER_REGISTRY_USER` and `LAMBDA_PACKAGER_REGISTRY_PASSWORD`.
    Environment,
    /// No login.
    None,
}

/// A number of bytes, or one with a unit: `500 MB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct Size(pub u64);

impl TryFrom<serde_json::Value> for Size {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        if let Some(bytes) = value.as_u64() {
            return Ok(Self(bytes));
        }
        let text = value.as_str().unwrap_or_default();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor: Option<u64> = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "tb" => Some(1_000_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            "tib" => Some(1 << 40),
            _ => None,
        };
        let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| format!("{value} is not a valid size, such as `10 GB` or `500 MiB`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let read = |json: &str| serde_json::from_str::<Size>(json).map(|size| size.0);
        let sizes = [("7", 7), ("\"7\"", 7), ("\"10 GB\"", 10_000_000_000), ("\"2MiB\"", 2 << 20), ("\"1 kb\"", 1_000)];
        for (text, bytes) in sizes {
            assert_eq!(read(text).unwrap(), bytes);
        }
        for text in ["-1", "1.5", "\"\"", "\"GB\"", "\"1 XB\"", "\"-1\"", "\"99999999 TB\"", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("\"1 XB\"").unwrap_err().to_string().contains("such as `10 GB`"));
    }
}
