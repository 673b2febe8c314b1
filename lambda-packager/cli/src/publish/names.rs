//! The names of an image: its repository, the moving tags, and the immutable tag.

use lambda_packager::internal::{Config, Error, PublishFault, Result, Sha};

use crate::publish::Revision;
use crate::publish::reference::is_repository;

/// The digits of a revision and of an image's digest in a tag: enough for one project's history.
const DIGITS: usize = 12;
/// Instead of a revision, without a git history.
const UNVERSIONED: &str = "unversioned";

/// Refuses an environment that the project does not have.
pub fn check_environment(config: &Config, environment: &str) -> Result<()> {
    if config.environments.iter().any(|known| known == environment) {
        return Ok(());
    }
    let what = format!("unknown environment {environment:?}; the environments are {}", config.environments.join(", "));
    let hint = match config.is_set("environments") {
        true => format!("use one of these, or add it to {}", config.place_of("environments")),
        false => {
            let all: Vec<&str> = config.environments.iter().map(String::as_str).chain([environment]).collect();
            format!("use one of these, or set `environments = {all:?}` in [package.metadata.lambda-packager]")
        }
    };
    Err(Error::publish(PublishFault::UnknownEnvironment, what).hint_with(hint))
}

/// The names of an environment's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub environment: String,
    pub repository: String,
}

impl Names {
    /// The names for a function in `environment`.
    ///
    /// # Errors
    /// If the project has no such environment, or if a name or tag would not be valid.
    pub fn of(config: &Config, environment: &str, function: &str) -> Result<Self> {
        check_environment(config, environment)?;
        let repository = config.image_name.replace("{env}", environment).replace("{function}", function);
        if !is_repository(&repository) || !is_tag(&format!("{environment}-latest")) {
            return Err(Error::config(format!(
                "{} gives the repository name {repository:?} for the environment {environment:?}, which is not a valid name",
                config.place_of("image_name")
            ))
            .hint_with("use lower case letters and digits, in parts separated by one of `-`, `_`, `.` or `/`, also in the environment"));
        }
        Ok(Self { environment: environment.into(), repository })
    }

    /// The tag that is never given to another image: it names the revision and all that is in the image, also newer
    /// certificates or libraries of the base at the same revision.
    pub fn immutable(&self, revision: Option<&Revision>, digest: &Sha) -> String {
        let revision = revision.map_or(UNVERSIONED.to_string(), |revision| {
            let digits = &revision.head[..DIGITS.min(revision.head.len())];
            if revision.dirty { format!("{digits}-dirty") } else { digits.to_string() }
        });
        format!("{}-{revision}-{}", self.environment, digest.short(DIGITS))
    }

    /// The tags that name the newest image, in the order in which they are moved.
    pub fn moving(&self) -> [String; 2] {
        [format!("{}-latest", self.environment), "latest".into()]
    }

    /// Whether `tag` is one that [`Self::immutable`] gives for this environment. The name of another environment may begin
    /// with this one's: `prod` and `prod-eu`.
    pub fn stays(&self, tag: &str) -> bool {
        environment_of(tag) == Some(&self.environment)
    }

    /// The names of which `name`, `repository:tag`, is the one that [`Self::immutable`] gives.
    pub fn behind(name: &str) -> Option<Self> {
        let (repository, tag) = name.rsplit_once(':')?;
        let environment = environment_of(tag)?.to_string();
        Some(Self { environment, repository: repository.to_string() })
    }

    /// Whether `name`, `repository:tag`, is given to an image of this environment, and not by somebody else.
    pub fn has(&self, name: &str) -> bool {
        let tag = name.strip_prefix(&self.repository).and_then(|rest| rest.strip_prefix(':'));
        tag.is_some_and(|tag| self.stays(tag) || self.moving().iter().any(|moving| moving == tag))
    }
}

/// The environment of a tag that [`Names::immutable`] gives.
fn environment_of(tag: &str) -> Option<&str> {
    let is_digits = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (rest, digest) = tag.rsplit_once('-')?;
    let head = rest.strip_suffix("-dirty");
    let (environment, revision) = head.unwrap_or(rest).rsplit_once('-')?;
    let is_revision = is_digits(revision) || (revision == UNVERSIONED && head.is_none());
    (is_digits(digest) && is_revision).then_some(environment)
}

/// Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests>.
fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

#[cfg(test)]
mod tests {
    use lambda_packager::internal::{ErrorKind, Layer, Origin};

    use super::*;

    fn config(values: serde_json::Value) -> Config {
        let serde_json::Value::Object(values) = values else { panic!("a table") };
        Config::resolve(vec![(Origin::Flag, Layer::parse(values, &Origin::Flag).unwrap())])
    }

    fn names() -> Names {
        Names::of(&config(serde_json::json!({})), "preprod", "f").unwrap()
    }

    #[test]
    fn the_default_names() {
        let names = names();
        assert_eq!(names.repository, "preprod-sse-streaming-lambda");
        assert_eq!(names.moving(), ["preprod-latest", "latest"]);
        let mut revision = Revision { head: "0123456789abcdef".into(), ..Revision::default() };
        let digest = Sha::of(b"abc");
        assert_eq!(names.immutable(Some(&revision), &digest), "preprod-0123456789ab-ba7816bf8f01");
        revision.dirty = true;
        assert_eq!(names.immutable(Some(&revision), &digest), "preprod-0123456789ab-dirty-ba7816bf8f01");
        assert_eq!(names.immutable(None, &digest), "preprod-unversioned-ba7816bf8f01");
    }

    #[test]
    fn another_pattern_and_other_environments() {
        let config = config(serde_json::json!({"image_name": "team/x_{env}", "environments": ["qa"]}));
        assert_eq!(Names::of(&config, "qa", "api").unwrap().repository, "team/x_qa");
        let error = Names::of(&config, "prod", "api").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Publish(PublishFault::UnknownEnvironment));
        assert!(error.to_string().contains("\"prod\"; the environments are qa"), "{error}");
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_place() {
        for pattern in ["Team/{env}", "{env} x", "-{env}", "a//{env}", ""] {
            let error = Names::of(&config(serde_json::json!({"image_name": pattern})), "prod", "api").unwrap_err();
            assert!(error.to_string().contains("flag --image-name"), "{pattern:?}: {error}");
        }
    }

    #[test]
    fn only_names_that_are_given_here_are_ours() {
        let given = format!("preprod-api:{}", names().immutable(None, &Sha::of(b"abc")));
        let ours = Names::behind(&given).unwrap();
        assert_eq!((ours.environment.as_str(), ours.repository.as_str()), ("preprod", "preprod-api"));
        for (name, is_ours) in [
            (given.as_str(), true),
            ("preprod-api:latest", true),
            ("preprod-api:preprod-latest", true),
            ("preprod-api:mine", false),
            ("preprod-api:prod-latest", false),
            ("mine/preprod-api:latest", false),
            ("mine/app:1", false),
        ] {
            assert_eq!(ours.has(name), is_ours, "{name}");
        }
        assert_eq!(Names::behind("mine/app:latest"), None);
    }

    #[test]
    fn a_tag_of_one_environment_is_not_anothers() {
        let of = |environment: &str| Names { environment: environment.into(), ..names() };
        let revision = Revision { head: "0123456789abcdef".into(), ..Revision::default() };
        let dirty = Revision { dirty: true, ..revision.clone() };
        let environments = ["prod", "prod-eu", "prod-0123456789ab", "preprod"];
        for environment in environments {
            for revision in [None, Some(&revision), Some(&dirty)] {
                let tag = of(environment).immutable(revision, &Sha::of(b"abc"));
                for other in environments {
                    assert_eq!(of(other).stays(&tag), other == environment, "{tag} for {other}");
                }
            }
        }
        for tag in ["prod-latest", "prod-eu-latest", "latest", "prod-1-2", "prod-\u{1b}[2J-ba7816bf8f01", "prod"] {
            assert!(!of("prod").stays(tag), "{tag}");
        }
    }
}
