//! The lab with what several figures share: prepared once, by the first that needs it.

use std::cell::OnceCell;
use std::ops::Deref;

use crate::builder::Builders;
use crate::four_stage::FourStage;
use crate::lab::Lab;
use crate::measure::Result;

pub struct Bench {
    lab: Lab,
    builders: OnceCell<Result<Builders>>,
    four_stage: OnceCell<Result<FourStage>>,
}

impl Bench {
    pub fn open(rounds: usize) -> Result<Self> {
        Ok(Self { lab: Lab::open(rounds)?, builders: OnceCell::new(), four_stage: OnceCell::new() })
    }

    pub fn builders(&self) -> Result<&Builders> {
        self.builders.get_or_init(|| Builders::prepare(self)).as_ref().map_err(Clone::clone)
    }

    pub fn four_stage(&self) -> Result<&FourStage> {
        let prepare = || FourStage::prepare(self, self.builders()?);
        self.four_stage.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }

    /// The four-stage build, if another figure has prepared it.
    pub fn four_stage_if_there(&self) -> Option<&FourStage> {
        self.four_stage.get()?.as_ref().ok()
    }
}

impl Deref for Bench {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}
