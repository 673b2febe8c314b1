//! A figure: what was measured, beside what, and what was promised of it.

/// Values of one side of a comparison, in seconds, bytes or pieces.
#[derive(Debug, Clone)]
pub struct Sample {
    /// How to get it again.
    pub command: String,
    pub unit: Unit,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
    Crates,
}

impl Sample {
    pub fn new(command: impl Into<String>, unit: Unit, values: Vec<f64>) -> Self {
        Self { command: command.into(), unit, values }
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    /// The same, `factor` times as much.
    pub fn times(&self, factor: f64, command: impl Into<String>) -> Self {
        Self::new(command, self.unit, self.values.iter().map(|value| value * factor).collect())
    }
}

impl std::fmt::Display for Sample {
    /// The median, and where there is more than one value their range and number.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let (low, high) =
            self.values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        f.write_str(&self.unit.show(self.median()))?;
        match self.values.len() {
            1 => Ok(()),
            count => write!(f, " ({} to {}, n = {count})", self.unit.show(low), self.unit.show(high)),
        }
    }
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 0.01 => format!("{:.2} ms", value * 1e3),
            Self::Seconds if value < 1.0 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Crates => format!("{value} crates"),
            Self::Bytes if value >= 1e7 => format!("{:.1} MB", value / 1e6),
            Self::Bytes => {
                let digits = format!("{value:.0}");
                let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
                format!("{} bytes", groups.join(","))
            }
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    pub figure: &'static str,
    pub what: String,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Measured {
        ours: Sample,
        /// What it is compared to.
        base: Option<Sample>,
        bound: Bound,
    },
    /// Of another tool, to compare with.
    Reference(Sample),
    /// Why not, and how to get it.
    NotMeasured(String),
}

#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// At most this many times the base.
    Ratio(f64),
    /// At most this much.
    AtMost(f64),
    /// Nothing was promised.
    None,
}

impl Row {
    pub fn ratio(
        figure: &'static str,
        what: impl Into<String>,
        ours: &Sample,
        base: &Sample,
        bound: impl Into<Option<f64>>,
    ) -> Self {
        let bound = bound.into().map_or(Bound::None, Bound::Ratio);
        let outcome = Outcome::Measured { ours: ours.clone(), base: Some(base.clone()), bound };
        Self { figure, what: what.into(), outcome }
    }

    pub fn at_most(figure: &'static str, what: impl Into<String>, ours: &Sample, bound: f64) -> Self {
        let outcome = Outcome::Measured { ours: ours.clone(), base: None, bound: Bound::AtMost(bound) };
        Self { figure, what: what.into(), outcome }
    }

    pub fn reference(figure: &'static str, what: impl Into<String>, value: &Sample) -> Self {
        Self { figure, what: what.into(), outcome: Outcome::Reference(value.clone()) }
    }

    pub fn not_measured(figure: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { figure, what: what.into(), outcome: Outcome::NotMeasured(why.into()) }
    }

    /// Ours, the base, their ratio, the bound, whether it is met.
    pub fn cells(&self) -> [String; 5] {
        let none = || "–".to_string();
        let (ours, base, bound) = match &self.outcome {
            Outcome::Measured { ours, base, bound } => (ours, base, bound),
            Outcome::Reference(value) => return [none(), value.to_string(), none(), none(), none()],
            Outcome::NotMeasured(why) => return [format!("not measured: {why}"), none(), none(), none(), none()],
        };
        let ratio = base.as_ref().map(|base| ours.median() / base.median());
        let (bound, met) = match *bound {
            Bound::Ratio(bound) => (format!("{bound:.2} x"), ratio.map(|ratio| ratio <= bound)),
            Bound::AtMost(bound) => (ours.unit.show(bound), Some(ours.median() <= bound)),
            Bound::None => (none(), None),
        };
        [
            ours.to_string(),
            base.as_ref().map_or_else(none, Sample::to_string),
            ratio.map_or_else(none, |ratio| format!("{ratio:.3}")),
            bound,
            met.map_or_else(none, |met| if met { "yes" } else { "no" }.to_string()),
        ]
    }
}
