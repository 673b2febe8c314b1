//! The clean room on every builder of images: which layers it uses again, that its bytes are those of the
//! reused container, what functions share, what the final image holds, and what never gets into a layer.

mod audit;
pub mod builder;
mod builder_image;
mod cross;
mod faults;
mod included;
mod installer;
mod killed;
mod own_images;
mod shapes;
mod sharing;
mod walk;
