//! The values that settings can take.

use std::fmt;
use std::str::FromStr;

use serde::de::IntoDeserializer;
use serde::de::value::Error as NotOne;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// `Display` and `FromStr` with the texts that serde knows.
macro_rules! as_text {
    ($($choice:ident),+) => {$(
        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }

        impl FromStr for $choice {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::deserialize(text.into_deserializer()).map_err(|e: NotOne| Error::config(e.to_string()))
            }
        }
    )+};
}

as_text!(ArtifactKind, Mode, Arch, Runtime, EngineChoice, PullPolicy, Network);

/// How to compile: the speed of the build against the size of the zip. As text: `release`, `prod`, `docker`, `dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// The release profile of the workspace, with symbols stripped. The default.
    Release,
    /// The smallest zip: fat LTO in one codegen unit, compiled in the clean room.
    Prod,
    /// The same as `Prod`, and every layer of the clean room is built again.
    Docker,
    /// The fastest from edit to zip: incremental and unoptimised, without debug info in the zip.
    Dev,
}

#[doc(hidden)]
impl Mode {
    /// The cargo profile of this mode, if no profile is set.
    pub fn profile(self) -> &'static str {
        match self {
            Self::Release | Self::Prod | Self::Docker => "release",
            Self::Dev => "dev",
        }
    }

    /// What `release` and `profile` of cargo-lambda mean, as flags or as keys of its tables: the mode, and the profile if
    /// it is not the mode's own.
    pub fn of_cargo_lambda(release: bool, profile: Option<&str>) -> (Self, Option<&str>) {
        match profile {
            Some("dev") => (Self::Dev, None),
            Some("release") => (Self::Release, None),
            Some(profile) => (Self::Release, Some(profile)),
            None => (if release { Self::Release } else { Self::Dev }, None),
        }
    }

    /// Whether this mode compiles in the clean room by default.
    pub fn is_for_production(self) -> bool {
        matches!(self, Self::Prod | Self::Docker)
    }
}

/// What the zip is for. As text: the variant in kebab case; the default is `function`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ArtifactKind {
    /// A function: the binary is `bootstrap`.
    Function,
    /// A layer with an external extension: the binary is `extensions/NAME`, which Lambda starts beside the runtime.
    Extension,
    /// A layer with an internal extension: the binary is `NAME`, at the top, and the function's own process starts it,
    /// such as by `AWS_LAMBDA_EXEC_WRAPPER=/opt/NAME`. Lambda itself does not.
    InternalExtension,
    /// A layer of what `include` names, and nothing else: nothing is compiled, and the package needs no bin.
    Layer,
}

#[doc(hidden)]
impl ArtifactKind {
    /// Where the binary `name` is in the zip, if it has one. The places are those of cargo-lambda.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-extensions.html>.
    pub fn place_of(self, name: &str) -> Option<String> {
        match self {
            Self::Function => Some("bootstrap".into()),
            Self::Extension => Some(format!("extensions/{name}")),
            Self::InternalExtension => Some(name.into()),
            Self::Layer => None,
        }
    }

    /// Whether there is something to compile.
    pub fn has_binary(self) -> bool {
        self != Self::Layer
    }

    /// Whether Lambda unpacks the zip in `/opt`, and not in the folder of the function.
    pub fn is_layer(self) -> bool {
        self != Self::Function
    }
}

/// The instruction set of the Lambda. As text: `x86_64` or `arm64`; the default is the one of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Arch {
    /// Intel and AMD.
    #[serde(rename = "x86_64", alias = "x86_64-unknown-linux-gnu", alias = "amd64")]
    X86_64,
    /// Arm, such as Graviton.
    #[serde(rename = "arm64", alias = "aarch64", alias = "aarch64-unknown-linux-gnu")]
    Arm64,
}

#[doc(hidden)]
impl Arch {
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// The Rust target triple.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The C compiler that links for it on a machine of the other architecture, by the name that distributions and
    /// the `cc` crate use; `None` on a machine of the same architecture.
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

/// The Lambda runtime that the zip is for. As text: `provided.al2023` (the default) or `provided.al2`, which AWS ended on
/// 2026-07-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Runtime {
    /// Amazon Linux 2023.
    #[serde(rename = "provided.al2023")]
    ProvidedAl2023,
    /// Amazon Linux 2. AWS ended it on 2026-07-31: it gets no security patches any more.
    #[serde(rename = "provided.al2")]
    ProvidedAl2,
}

#[doc(hidden)]
impl Runtime {
    /// What to know of a runtime that AWS ended.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-deprecated>.
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::ProvidedAl2023 => None,
            Self::ProvidedAl2 => Some(
                "AWS ended the runtime provided.al2 on 2026-07-31: it gets no security patches, and Lambda stops to create and then to update functions of it; use provided.al2023",
            ),
        }
    }
}

/// The container engine to compile with. As text: the variant in lower case; the default is `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EngineChoice {
    /// The first of docker, podman, finch and nerdctl that answers; otherwise the host, and it says so.
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

/// Where the builder container gets its toolchain from. As text: `auto` (the default), `host` or an image.
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

impl From<&str> for Base {
    fn from(text: &str) -> Self {
        text.to_string().into()
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

/// When to ask a registry for the base. As text: `if-missing` (the default), `always` or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PullPolicy {
    /// On every run, for a newer one.
    Always,
    /// Only if it is not available locally.
    IfMissing,
    /// Never.
    Never,
}

/// What the compile may reach. As text: `none` (the default) or `bridge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Network {
    /// Nothing.
    None,
    /// What the engine's default network reaches; for build scripts that need it.
    Bridge,
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
    fn a_runtime_that_ended_has_a_warning_and_the_default_has_none() {
        assert!(Runtime::ProvidedAl2.warning().is_some_and(|text| text.contains("2026-07-31")));
        assert_eq!(Runtime::ProvidedAl2023.warning(), None);
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        fn read<T: FromStr<Err = Error> + fmt::Display>(texts: &[&str]) {
            for text in texts {
                assert_eq!(text.parse::<T>().unwrap().to_string(), *text);
            }
        }
        read::<ArtifactKind>(&["function", "extension", "internal-extension", "layer"]);
        read::<Mode>(&["release", "prod", "docker", "dev"]);
        read::<Arch>(&["x86_64", "arm64"]);
        read::<Runtime>(&["provided.al2023", "provided.al2"]);
        read::<EngineChoice>(&["auto", "docker", "podman", "finch", "nerdctl", "host"]);
        read::<PullPolicy>(&["always", "if-missing", "never"]);
        read::<Network>(&["none", "bridge"]);
        assert_eq!("aarch64".parse::<Arch>().unwrap(), Arch::Arm64);
        assert!("fast".parse::<Mode>().unwrap_err().to_string().contains("expected one of `release`, `prod`"));
        assert!(["auto", "host", "my/image:1"].iter().all(|text| Base::from(*text).to_string() == *text));
    }

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
