//! The record of the last image of a function, for people and for deployments:
//! `target/lambda/<function>/image.json`.

use std::path::Path;

use lambda_packager::internal::{Error, ImageSummary, Result, Sha, fs};
use serde::Serialize;
use serde_json::Value;

use crate::publish::Names;

/// The version of the record's form.
const SCHEMA: u32 = 1;

#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub schema: u32,
    pub environment: String,
    pub repository: String,
    /// Of the image, in every registry.
    pub digest: String,
    /// `registry/repository@digest`: what to deploy. None before it is in a registry.
    pub reference: Option<String>,
    /// The immutable tag.
    pub tag: String,
    pub moving_tags: Vec<String>,
    pub layers: Vec<LayerRecord>,
    /// All that a registry stores of it.
    pub size_bytes: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LayerRecord {
    pub digest: String,
    pub size_bytes: u64,
}

impl Record {
    /// The record of the image with this manifest.
    pub fn of(names: &Names, tag: &str, manifest: &[u8]) -> Self {
        let digest = |value: &Value| value["digest"].as_str().unwrap_or_default().to_string();
        let parsed: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let size = |value: &Value| value["size"].as_u64().unwrap_or(0);
        let layers: Vec<_> = (parsed["layers"].as_array().into_iter().flatten())
            .map(|layer| LayerRecord { digest: digest(layer), size_bytes: size(layer) })
            .collect();
        // Whoever pushed the manifest wrote these numbers.
        let sizes = layers.iter().map(|layer| layer.size_bytes).chain([size(&parsed["config"]), manifest.len() as u64]);
        let size_bytes = sizes.fold(0, u64::saturating_add);
        Self {
            schema: SCHEMA,
            environment: names.environment.clone(),
            repository: names.repository.clone(),
            digest: format!("sha256:{}", Sha::of(manifest)),
            reference: None,
            tag: tag.to_string(),
            moving_tags: names.moving().into(),
            layers,
            size_bytes,
        }
    }

    /// The names of its copy in an engine or in a file.
    pub fn names(&self) -> Vec<String> {
        self.moving_tags.iter().chain([&self.tag]).map(|tag| format!("{}:{tag}", self.repository)).collect()
    }

    /// The summary for events.
    pub fn summary(&self) -> ImageSummary {
        let nameless = || format!("{}@{}", self.repository, self.digest);
        ImageSummary {
            name: self.reference.clone().unwrap_or_else(nameless),
            tags: [&self.tag].into_iter().chain(&self.moving_tags).cloned().collect(),
            size_bytes: self.size_bytes,
            layers: self.layers.len(),
            record: serde_json::to_value(self).unwrap_or_default(),
        }
    }

    /// Writes the record.
    pub fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::config("cannot write the record of the image").source(e))?;
        fs::replace(path, &text, 0o644, None)
    }
}
