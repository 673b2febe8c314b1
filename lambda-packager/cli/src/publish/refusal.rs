//! Errors for the answers of a registry that refuses a request.

use lambda_packager::internal::{Error, PublishFault};

use crate::publish::{Answer, Client};

/// The error for a repository that does not exist.
pub fn missing(client: &Client, name: &str) -> Error {
    let what = format!("has no repository {name}");
    client.transport.error(PublishFault::RepositoryMissing, &what).hint_with(format!(
        "create it: `aws ecr create-repository --repository-name {name}`, or in Terraform `resource \"aws_ecr_repository\" \"lambda\" {{ name = \"{name}\" }}`"
    ))
}

/// The error for an answer that is not the expected one.
pub fn refusal(client: &Client, name: &str, answer: &Answer, doing: &str) -> Error {
    let (code, message) = answer.errors();
    let lower = message.to_lowercase();
    let error = |fault, what: &str, hint: String| {
        client.transport.error(fault, what).source(format!("{} {code} {message}", answer.status)).hint_with(hint)
    };
    let login = "for ECR `aws ecr get-login-password`, otherwise `docker login`, or set LAMBDA_PACKAGER_REGISTRY_USER and LAMBDA_PACKAGER_REGISTRY_PASSWORD";
    // The registry gave a token for the login, but with fewer permissions than requested.
    let lacks_rights = answer.header("www-authenticate").is_some_and(|it| it.contains("insufficient_scope"));
    match answer.status {
        401 | 403 if lower.contains("expired") => error(
            PublishFault::TokenExpired,
            "says that the login has expired",
            "run it again: it gets a new ECR login; for other registries run `docker login` first".into(),
        ),
        401 if code != "DENIED" && !client.transport.address.may_have_login() => error(
            PublishFault::LoginRefused,
            "requires a login, but has no TLS: others could read it on the way",
            "use `https://` before its name".into(),
        ),
        401 if code != "DENIED" && !client.has_login() => {
            error(PublishFault::LoginRefused, "requires a login", format!("log in: {login}"))
        }
        401 if code != "DENIED" && !lacks_rights => {
            error(PublishFault::LoginRefused, "refuses the login", format!("log in again: {login}"))
        }
        401 | 403 | 405 => error(
            PublishFault::PushDenied,
            &format!("does not allow {doing} {name}"),
            format!("give this login the permission (ECR: ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage, ecr:BatchCheckLayerAvailability, ecr:BatchGetImage on {name})"),
        ),
        404 if code == "NAME_UNKNOWN" => missing(client, name),
        400 | 409 if lower.contains("immutable") => error(
            PublishFault::TagTaken,
            &format!("does not allow moving a tag of {name} to another image"),
            "`latest` must be able to move: make the repository's tags mutable, or exclude `latest` and `*-latest` (aws_ecr_repository: image_tag_mutability)".into(),
        ),
        400 if lower.contains("http request to an https server") => error(
            PublishFault::Unreachable,
            "requires TLS",
            "write `https://` before its name".into(),
        ),
        status => error(
            PublishFault::Unexpected,
            &format!("answers with status {status} to {doing} {name}"),
            "check its logs, and that it is a registry for container images".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{Address, Login};

    #[test]
    fn each_refusal_has_its_own_exit_code() {
        let address = Address::parse("registry.example", "flag --registry").unwrap();
        let login = Login::Password { user: "a".into(), password: "b".into() };
        let (anonymous, known) = (Client::new(address.clone(), None), Client::new(address, Some(login)));
        let code = |client: &Client, status: u16, header: &'static str, code: &str, message: &str| {
            let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"{message}\"}}]}}");
            let mut answer = Answer { status, body: body.into(), ..Answer::default() };
            answer.headers.insert("www-authenticate", header.parse().unwrap());
            let error = refusal(client, "team/app", &answer, "pushing");
            assert!(error.hint().is_some() && error.to_string().contains("registry.example"), "{error}");
            error.exit_code()
        };
        assert_eq!(code(&anonymous, 401, "Basic", "UNAUTHORIZED", ""), 11);
        let open = Client::new(Address::parse("http://registry.example", "flag --registry").unwrap(), None);
        assert_eq!(code(&open, 401, "Basic", "UNAUTHORIZED", ""), 11);
        for (status, header, name, message, expected) in [
            (401, "Basic", "UNAUTHORIZED", "", 11),
            (403, "Basic", "DENIED", "Your authorization token has expired", 12),
            (401, "Bearer error=insufficient_scope", "UNAUTHORIZED", "", 14),
            (401, "Basic", "DENIED", "", 14),
            (403, "Basic", "DENIED", "", 14),
            (405, "Basic", "UNSUPPORTED", "", 14),
            (404, "Basic", "NAME_UNKNOWN", "", 13),
            (404, "Basic", "MANIFEST_UNKNOWN", "", 21),
            (400, "Basic", "TAG_INVALID", "The tag is Immutable", 17),
            (409, "Basic", "CONFLICT", "immutable", 17),
            (400, "Basic", "", "Client sent an HTTP request to an HTTPS server", 10),
            (418, "Basic", "", "", 21),
        ] {
            assert_eq!(code(&known, status, header, name, message), expected, "{status} {name} {message}");
        }
    }
}
