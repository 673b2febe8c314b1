fn main() -> std::io::Result<()> {
    runtime::run(|event| format!(r#"{{"from":"api","bytes":{}}}"#, event.len()))
}
