//! Registries that want a token, which somebody else gives for the login.

use std::fs;

use super::{NAME, image, open, push};
use crate::support::{Ended, Fate, Fixture, Proxy, Setup, Token, TokenServer, Wish};

const LOGIN: &str = "Basic dGVzdGVyOnMzY3JldC13b3Jk";

fn push_as(fixture: &Fixture, password: &str, registry: &str) -> Ended {
    let mut command = image(fixture, &["push"], registry);
    command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", password);
    Ended::of(command.arg("--verbose"))
}

#[test]
fn a_token_is_fetched_for_what_is_asked_and_lies_nowhere() {
    let server = TokenServer::start(|wish| if wish.login == LOGIN { Token::Whole } else { Token::Refused });
    let Some(registry) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
    let fixture = Fixture::hello_in_git();
    push(&fixture, &registry.name()).fails(11, &["requires a login"]);
    push_as(&fixture, "wrong", &registry.name()).fails(11, &["refuses the login"]);
    server.seen();

    let ended = push_as(&fixture, "s3cret-word", &registry.name()).ok();
    assert!(ended.stderr.contains("pushed"), "{}", ended.stderr);
    // One to look, and when that was not enough one to push; both for all that came after.
    let wish = |actions: &str| Wish { scope: format!("repository:{NAME}:{actions}"), login: LOGIN.into() };
    let seen = server.seen();
    assert_eq!(seen[0], wish("pull"));
    assert!(seen[1..] == [wish("pull,push")] || seen[1..] == [wish("push,pull")], "{seen:?}");

    // Every token begins so.
    let token = "eyJ0";
    assert!(!ended.stderr.contains(token) && !ended.stdout.contains(token));
    for entry in fs::read_dir(fixture.path("target/lambda/hello")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
}

#[test]
fn a_token_that_allows_nothing_is_told_from_a_login_that_is_wrong() {
    for (token, code, what) in [(Token::Empty, 14, "does not allow reading"), (Token::Expired, 11, "refuses the login")]
    {
        let server = TokenServer::start(move |_| token);
        let Some(registry) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
        let fixture = Fixture::hello_in_git();
        push_as(&fixture, "s3cret-word", &registry.name()).fails(code, &[what]);
        assert_eq!(server.seen().len(), 1, "asked for again and again");
    }
    // Who has no login may still be given one.
    let server = TokenServer::start(|_| Token::Whole);
    let Some(registry) = open(&Setup { tokens: Some(&server), ..Setup::default() }) else { return };
    push(&Fixture::hello_in_git(), &registry.name()).ok();
    assert!(server.seen().iter().all(|wish| wish.login.is_empty()));
}

#[test]
fn a_registry_with_tls_gets_no_token_from_where_there_is_none() {
    let server = TokenServer::start(|_| Token::Whole);
    let Some(registry) = open(&Setup { tokens: Some(&server), tls: true, ..Setup::default() }) else { return };
    let fixture = Fixture::hello_in_git();
    let mut command = image(&fixture, &["push"], &format!("https://{}", registry.name()));
    command.env("SSL_CERT_FILE", registry.certificate());
    command.env("LAMBDA_PACKAGER_REGISTRY_USER", "tester").env("LAMBDA_PACKAGER_REGISTRY_PASSWORD", "s3cret-word");
    Ended::of(&mut command).fails(21, &["has TLS, but asks to send the login to a server without TLS"]);
    assert_eq!(server.seen(), []);
}

#[test]
fn whoever_we_are_sent_to_does_not_say_who_gets_the_password() {
    let thief = TokenServer::start(|_| Token::Refused);
    let realm = format!("Bearer realm=\"http://127.0.0.1:{}/token\",service=\"x\"", thief.port);
    let Some(registry) = open(&Setup { login: Some(("tester", "s3cret-word")), ..Setup::default() }) else { return };
    let elsewhere = Proxy::to(&registry, move |_| Fate::Challenged(realm.clone()));
    let there = format!("http://{}/upload", elsewhere.name());
    let proxy = Proxy::to(&registry, move |request| match request {
        request if request.starts_with("POST") => Fate::SentTo(there.clone()),
        _ => Fate::Passed,
    });
    let ended = push_as(&Fixture::hello_in_git(), "s3cret-word", &proxy.name());
    assert_ne!(ended.code, 0);
    assert_eq!(elsewhere.seen(), ["PATCH /upload"]);
    assert_eq!(thief.seen(), []);
}
