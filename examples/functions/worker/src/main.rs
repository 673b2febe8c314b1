fn main() -> std::io::Result<()> {
    runtime::run(|event| format!(r#"{{"from":"worker","bytes":{}}}"#, event.len()))
}
