//! What a crate gets of the functions that its build script packaged: constants, and a file to include.

use std::collections::BTreeMap;
use std::path::Path;

use crate::build_script::{Directives, start};
use crate::error::{Error, Result};
use crate::packaged::Packaged;

/// The file in `OUT_DIR`.
const FILE: &str = "lambda_deployment.rs";

/// Defines `LAMBDA_DEPLOYMENT_ZIP`, `_SHA256` and `_MANIFEST` of the one function, empty with none or several; writes the
/// file to include, which has all of them; and tells dependents `<function>_zip` and so on of each.
///
/// # Errors
/// The file cannot be written; two functions would have the same metadata.
pub fn define(packaged: &[Packaged], out_dir: &Path, directives: &mut Directives) -> Result<()> {
    let of_one = if let [one] = packaged { fields(one) } else { Default::default() };
    for (name, value) in FIELDS.into_iter().zip(of_one) {
        directives.constant(name, &value);
    }
    let mut told = BTreeMap::new();
    for packaged in packaged {
        let key = packaged.function.replace(['-', '.'], "_");
        // Cargo makes the name of a variable of it.
        if let Some(other) = told.insert(key.to_uppercase(), &packaged.function).filter(|_| directives.links) {
            let (one, metadata) = (&packaged.function, format!("{key}_zip"));
            return Err(Error::config(format!("dependents would get `{metadata}` of {other} and of {one}"))
                .hint_with("rename one of them, or package them in another crate"));
        }
        for (name, value) in FIELDS.into_iter().zip(fields(packaged)) {
            directives.metadata(&format!("{key}_{name}"), &value);
        }
    }
    start::store(&out_dir.join(FILE), &file(packaged))
}

const FIELDS: [&str; 3] = ["zip", "sha256", "manifest"];

fn fields(packaged: &Packaged) -> [String; 3] {
    let path = |path: &Path| path.to_string_lossy().into_owned();
    [path(&packaged.zip), packaged.zip_sha256.to_string(), path(&packaged.manifest)]
}

fn file(packaged: &[Packaged]) -> String {
    let mut text = String::from(
        "/// A packaged function.\n#[allow(dead_code)]\n#[derive(Debug, Clone, Copy)]\npub struct LambdaFunction {\n    \
         pub name: &'static str,\n    pub zip: &'static str,\n    pub sha256: &'static str,\n    pub manifest: &'static str,\n}\n\n\
         /// The packaged functions; none in a build that does not package.\n#[allow(dead_code)]\n\
         pub const LAMBDA_FUNCTIONS: &[LambdaFunction] = &[\n",
    );
    for function in packaged {
        let [zip, sha256, manifest] = fields(function);
        text.push_str(&format!(
            "    LambdaFunction {{ name: {:?}, zip: {zip:?}, sha256: {sha256:?}, manifest: {manifest:?} }},\n",
            function.function
        ));
    }
    text + "];\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packaged::Verdict;
    use crate::sys::Sha;

    fn packaged(name: &str) -> Packaged {
        Packaged {
            function: name.into(),
            verdict: Verdict::Hit,
            zip: format!("/p/{name} \"x\".zip").into(),
            zip_sha256: Sha::of(b""),
            zip_bytes: 1,
            bootstrap_bytes: 1,
            manifest: format!("/p/{name}.json").into(),
        }
    }

    fn told(packaged: &[Packaged]) -> (String, String) {
        let (folder, mut out) = (tempfile::tempdir().unwrap(), Vec::new());
        define(packaged, folder.path(), &mut Directives::new(&mut out, true)).unwrap();
        #[allow(clippy::disallowed_methods)]
        let file = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        (String::from_utf8(out).unwrap(), file)
    }

    #[test]
    fn one_function_has_constants_and_each_has_metadata_and_a_place_in_the_file() {
        let (one, file) = told(&[packaged("api")]);
        for line in [
            "cargo::rustc-env=LAMBDA_DEPLOYMENT_MANIFEST=/p/api.json",
            "cargo::metadata=manifest=/p/api.json",
            "cargo::metadata=api_manifest=/p/api.json",
        ] {
            assert!(one.lines().any(|found| found == line), "{line}: {one}");
        }
        assert!(file.contains(r#"name: "api", zip: "/p/api \"x\".zip""#), "{file}");
        let (several, file) = told(&[packaged("api-v2"), packaged("a.worker")]);
        for line in [
            "cargo::rustc-env=LAMBDA_DEPLOYMENT_ZIP=",
            "cargo::metadata=api_v2_manifest=/p/api-v2.json",
            "cargo::metadata=a_worker_manifest=/p/a.worker.json",
        ] {
            assert!(several.lines().any(|found| found == line), "{line}: {several}");
        }
        assert_eq!(file.matches("LambdaFunction {").count(), 3, "{file}");
        assert!(told(&[]).1.contains("&[\n];"));
        let (alike, folder) = ([packaged("a-b"), packaged("A_b")], tempfile::tempdir().unwrap());
        let defined = |links| define(&alike, folder.path(), &mut Directives::new(&mut Vec::new(), links));
        assert_eq!(defined(true).unwrap_err().to_string(), "dependents would get `A_b_zip` of a-b and of A_b");
        assert!(defined(false).is_ok());
    }
}
