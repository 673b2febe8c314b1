//! Registries that want a token, which somebody else gives for the login.

use std::fs;

use super::{ENCODED, NAME, PASSWORD, image, open, push, push_as};
use crate::support::{Ended, Fate, Proxy, Setup, Token, TokenServer, Wish};

/// How the login is sent.
fn login() -> String {
    format!("Basic {ENCODED}")
}

#[test]
fn a_token_is_fetched_for_what_is_asked_and_lies_nowhere() {
    let server = TokenServer::start(|wish| if wish.login == login() { Token::Whole } else { Token::Refused });
    let Some((registry, fixture)) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
    push(&fixture, &registry.name()).fails(11, &["requires a login"]);
    push_as(&fixture, "wrong", &registry.name()).fails(11, &["refuses the login"]);
    server.seen();

    let ended = push_as(&fixture, PASSWORD, &registry.name()).ok();
    assert!(ended.stderr.contains("pushed"), "{}", ended.stderr);
    // One to look, and when that was not enough one to push; both for all that came after.
    let wish = |actions: &str| Wish { scope: format!("repository:{NAME}:{actions}"), login: login() };
    let seen = server.seen();
    assert_eq!(seen[0], wish("pull"));
    assert!(seen[1..] == [wish("pull,push")] || seen[1..] == [wish("push,pull")], "{seen:?}");

    // Every token begins so.
    fixture.tells_nobody("eyJ0", &ended);
}

#[test]
fn an_identity_that_docker_stored_is_sent_to_the_token_server_alone() {
    const IDENTITY: &str = "1dentity-s3cret";
    let identity = format!("Identity {IDENTITY}");
    let expected = identity.clone();
    let server = TokenServer::start(move |wish| if wish.login == expected { Token::Whole } else { Token::Refused });
    let Some((registry, fixture)) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
    let proxy = Proxy::to(&registry, |_| Fate::Passed);
    // As `docker login` leaves it for registries that give one: the name has no password.
    let stored = serde_json::json!({"auth": "MDo=", "identitytoken": IDENTITY});
    let store = serde_json::json!({"auths": {proxy.name(): stored}}).to_string();
    let folder = fixture.around().join("logins");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.json"), store).unwrap();
    // There is no such repository: with a token that is seen, without it is refused.
    let ended = Ended::of(image(&fixture, &["list", "--verbose"], &proxy.name()).env("DOCKER_CONFIG", &folder));
    let ended = ended.fails(13, &["has no repository"]);
    assert!(server.seen().iter().all(|wish| wish.login == identity));
    assert!(!proxy.seen()[0].ends_with(" with a login"));
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(IDENTITY));
}

#[test]
fn a_token_that_allows_nothing_is_told_from_a_login_that_is_wrong() {
    for (token, code, what) in [(Token::Empty, 14, "does not allow reading"), (Token::Expired, 11, "refuses the login")]
    {
        let server = TokenServer::start(move |_| token);
        let Some((registry, fixture)) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
        push_as(&fixture, PASSWORD, &registry.name()).fails(code, &[what]);
        assert_eq!(server.seen().len(), 1, "asked for again and again");
    }
    // Who has no login may still be given one.
    let server = TokenServer::start(|_| Token::Whole);
    let Some((registry, fixture)) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
    push(&fixture, &registry.name()).ok();
    assert!(server.seen().iter().all(|wish| wish.login.is_empty()));
}

#[test]
fn a_registry_with_tls_gets_no_token_from_where_there_is_none() {
    let server = TokenServer::start(|_| Token::Whole);
    let Some((registry, fixture)) = open(&Setup { tokens: Some(&server), tls: true, ..Setup::default() }) else {
        return;
    };
    let mut command = image(&fixture, &["push"], &format!("https://{}", registry.name()));
    command.env("SSL_CERT_FILE", registry.certificate());
    command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", PASSWORD);
    Ended::of(&mut command).fails(21, &["has TLS, but asks to send the login to a server without TLS"]);
    assert_eq!(server.seen(), []);
}
