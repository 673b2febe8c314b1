//! Leaves `lambda-deployment.zip`; see README.

fn main() -> std::process::ExitCode {
    lambda_packager::BuildScript::new().run()
}
