//! The random design and its rows.
//!
//! Feature `j` is `x_j = m_j + s_j z_j` with a mean and a scale of its own and `z_j` standard normal:
//!
//! ```text
//! z_j = sqrt(rho) f + sqrt(1 - rho) e_j        f the common factor of the row, e_j the feature's own part
//! ```
//!
//! so every two features correlate by `rho`. A count is `max(0, round(m_j + s_j z_j))`. The response is computed
//! from the cells as written (rounded, but before nulls): `y = b0 + sum_j x_j b_j + noise`.
//!
//! # The condition number
//!
//! `--condition` ties the last feature's own part to those of a few features before it, by weights `a` with
//! `sum a_i = 1` and `sum a_i^2 = 1`, namely (2/3, 2/3, -1/3), or (1) where there are fewer:
//!
//! ```text
//! e_p = (1 - gap) sum_i a_i e_i + sqrt(1 - (1 - gap)^2) u        u another standard normal
//! ```
//!
//! The variances stay 1, and the correlation matrix is `rho 11' + (1 - rho)(I + (1 - gap) L)`, where `L` links
//! the last feature and `a`. As `1'(a, -1) = 0`, the vector `(a, -1)` is an eigenvector of both terms:
//!
//! ```text
//! smallest eigenvalue   (1 - rho) gap
//! largest eigenvalue    that of the 2 x 2 matrix of the plane of (a, 1)/sqrt(2) and the rest of the ones:
//!                       [ (1 - rho)(2 - gap) + 2 rho    rho sqrt(2 (p - 2)) ]
//!                       [ rho sqrt(2 (p - 2))           1 - rho + rho (p - 2) ]
//! ```
//!
//! The condition number of the centred features at unit variance is the square root of their ratio, which falls
//! as `gap` rises to 1; bisection finds the `gap` of the number asked for.

use anyhow::ensure;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// Rows generated at a time. Part of what a seed means: the generator fills a block column by column.
pub(crate) const BLOCK_ROWS: usize = 8_192;

/// Mixed into the seed, so that the design, the cells and the nulls draw from generators of their own: nulls
/// switched on leave every other number as it was.
const DESIGN_STREAM: u64 = 0x5D2C_91E4_0B7A_36F1;
const CELL_STREAM: u64 = 0xA3B1_7F60_C45D_E289;
const NULL_STREAM: u64 = 0x1E96_D80B_72F3_4AC5;

/// What the design is drawn from, as asked for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DesignOptions {
    /// Seed of every random number.
    pub(crate) seed: u64,
    /// Number of features.
    pub(crate) features: usize,
    /// How many of them, from the first, are counts.
    pub(crate) integer_features: usize,
    /// Standard deviation of the noise.
    #[serde(rename = "noise_sd")]
    pub(crate) noise: f64,
    /// Correlation between every two features.
    pub(crate) correlation: f64,
    /// Condition number of the centred features at unit variance; 1 leaves them as they are.
    pub(crate) condition: f64,
    /// Share of feature cells that are null.
    pub(crate) nulls: f64,
    /// Decimals the cells are rounded to.
    pub(crate) decimals: Option<u32>,
}

/// The known parameters of one feature.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    /// Mean, before counts are cut off at 0.
    pub(crate) mean: f64,
    /// Standard deviation, likewise.
    pub(crate) scale: f64,
    /// Coefficient in y.
    pub(crate) coefficient: f64,
    /// Whether the cells are counts.
    pub(crate) count: bool,
}

/// The near dependence of the last feature on those before it.
#[derive(Debug, Clone)]
struct Link {
    /// Weights on the own parts of the features just before the last, in their order.
    weights: &'static [f64],
    /// How far the last feature is from the combination: 0 would be exact, 1 is independence.
    gap: f64,
}

/// A design with every parameter drawn.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    /// What it was drawn from.
    pub(crate) options: DesignOptions,
    /// Coefficient of the constant.
    pub(crate) intercept: f64,
    /// The features, x1 first.
    pub(crate) parameters: Vec<Feature>,
    link: Option<Link>,
}

impl Design {
    /// Draws the parameters; an error names the options that cannot hold together.
    pub(crate) fn new(options: &DesignOptions) -> anyhow::Result<Self> {
        ensure!(
            options.integer_features <= options.features,
            "--integer-features {}: expected at most the number of --features, {}",
            options.integer_features,
            options.features
        );
        let mut rng = Pcg64Mcg::seed_from_u64(options.seed ^ DESIGN_STREAM);
        let intercept = rounded_to_digits(rng.random_range(-10.0..10.0), 4);
        let draw = |j: usize| Feature::draw(&mut rng, j < options.integer_features);
        let parameters = (0..options.features).map(draw).collect();
        let link = if options.condition > 1.0 { Some(Link::new(options)?) } else { None };
        let design = Self { options: options.clone(), intercept, parameters, link };
        design.check_decimals()?;
        Ok(design)
    }

    /// Number of features.
    pub(crate) fn features(&self) -> usize {
        self.parameters.len()
    }

    /// The weight of feature `j` in the combination the last feature nearly equals.
    fn weight(&self, j: usize) -> Option<f64> {
        let weights = self.link.as_ref()?.weights;
        let first = self.features() - 1 - weights.len();
        weights.get(j.checked_sub(first)?).copied()
    }

    /// Refuses to round away the near dependence, which would make a truth that the data do not have.
    fn check_decimals(&self) -> anyhow::Result<()> {
        let (Some(link), Some(decimals)) = (&self.link, self.options.decimals) else { return Ok(()) };
        // Along the unit vector (a, -1)/sqrt(2), the variance of the rounding against that of the features.
        let last = self.features() - 1;
        let unit_rounding: f64 = (0..=last)
            .map(|j| if j == last { 1.0 } else { self.weight(j).unwrap_or(0.0) })
            .zip(&self.parameters)
            .map(|(weight, feature)| (weight / feature.scale).powi(2) / 24.0)
            .sum();
        let smallest = (1.0 - self.options.correlation) * link.gap;
        let fits = |decimals: u32| unit_rounding / power_of_ten(decimals).powi(2) <= 0.1 * smallest;
        if fits(decimals) {
            return Ok(());
        }
        let remedy = match (decimals + 1..=15).find(|&decimals| fits(decimals)) {
            Some(enough) => format!("expected --decimals {enough} or more, or none"),
            None => "expected no --decimals".to_owned(),
        };
        anyhow::bail!(
            "--decimals {decimals} rounds away the near dependence --condition {:e} asks for; {remedy}",
            self.options.condition
        )
    }
}

impl Feature {
    /// Draws unlike means and scales, and coefficients that make the features matter about equally.
    ///
    /// The parameters have few digits so that a person can compare them with a fit at a glance.
    fn draw(rng: &mut Pcg64Mcg, count: bool) -> Self {
        let (scale, mean_in_scales): (f64, f64) = if count {
            (rng.random_range(2.0..20.0), rng.random_range(1.5..4.0))
        } else {
            // Means within a scale of 0, as larger ones are a near dependence on the constant of their own.
            (10_f64.powf(rng.random_range(-1.0..2.0)), rng.random_range(-1.0..1.0))
        };
        let scale = rounded_to_digits(scale, 3);
        let mean = rounded_to_digits(scale * mean_in_scales, 3);
        let effect = rng.random_range(0.5..2.0);
        let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
        Self { mean, scale, coefficient: rounded_to_digits(sign * effect / scale, 4), count }
    }
}

impl Link {
    /// Finds the link that gives the condition number asked for.
    fn new(options: &DesignOptions) -> anyhow::Result<Self> {
        let continuous = options.features - options.integer_features;
        let weights: &[f64] = match continuous {
            0 | 1 => &[],
            2 | 3 => &[1.0],
            _ => &[2.0 / 3.0, 2.0 / 3.0, -1.0 / 3.0],
        };
        ensure!(
            !weights.is_empty(),
            "--condition {:e} needs at least two features that are not counts; there are {continuous} (--features \
             {} --integer-features {})",
            options.condition,
            options.features,
            options.integer_features
        );
        let least = condition(options, 1.0);
        ensure!(
            options.condition >= least,
            "--condition {}: --correlation {} between {} features already gives {least:.6}; expected 1 (leave as is) \
             or at least that",
            options.condition,
            options.correlation,
            options.features
        );
        // Bisection in the logarithm, as gaps run down to 1e-28.
        let (mut low, mut high) = (1e-40_f64, 1.0_f64);
        for _ in 0..200 {
            let middle = (low * high).sqrt();
            if condition(options, middle) > options.condition { low = middle } else { high = middle }
        }
        Ok(Self { weights, gap: high })
    }
}

/// The condition number of linked features: the formula at the top of this file.
fn condition(options: &DesignOptions, gap: f64) -> f64 {
    let rho = options.correlation;
    let others = options.features as f64 - 2.0;
    let linked = (1.0 - rho) * (2.0 - gap) + 2.0 * rho;
    let rest = 1.0 - rho + rho * others;
    let between = rho * (2.0 * others).sqrt();
    let largest = 0.5 * (linked + rest) + (0.5 * (linked - rest)).hypot(between);
    (largest / ((1.0 - rho) * gap)).sqrt()
}

/// A column of cells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cells {
    /// Real numbers.
    Real(Vec<f64>),
    /// Counts.
    Count(Vec<i64>),
}

/// A feature's cells in a block.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The cells, those that will be null included.
    pub(crate) cells: Cells,
    /// Which cells are null; empty when none are.
    pub(crate) nulls: Vec<bool>,
}

/// Some consecutive rows, by column.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// y.
    pub(crate) response: Vec<f64>,
    /// x1, x2, ...
    pub(crate) features: Vec<Column>,
}

impl Block {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.response.len()
    }

    fn truncate(&mut self, rows: usize) {
        self.response.truncate(rows);
        for column in &mut self.features {
            match &mut column.cells {
                Cells::Real(cells) => cells.truncate(rows),
                Cells::Count(cells) => cells.truncate(rows),
            }
            column.nulls.truncate(rows);
        }
    }
}

/// The rows of a design in order, a block at a time.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    design: &'a Design,
    rows_left: u64,
    cells: Pcg64Mcg,
    nulls: Pcg64Mcg,
}

impl<'a> Blocks<'a> {
    /// The first `rows` rows of `design`.
    pub(crate) fn new(design: &'a Design, rows: u64) -> Self {
        let seed = design.options.seed;
        Self {
            design,
            rows_left: rows,
            cells: Pcg64Mcg::seed_from_u64(seed ^ CELL_STREAM),
            nulls: Pcg64Mcg::seed_from_u64(seed ^ NULL_STREAM),
        }
    }

    /// Every block is drawn whole, so that the last one begins like a longer file's.
    fn draw(&mut self) -> Block {
        let design = self.design;
        let rho = design.options.correlation;
        let common = if rho > 0.0 { self.normals() } else { Vec::new() };
        let mut combination = vec![0.0; if design.link.is_some() { BLOCK_ROWS } else { 0 }];
        let mut response = vec![design.intercept; BLOCK_ROWS];
        let mut features = Vec::with_capacity(design.features());
        for (j, feature) in design.parameters.iter().enumerate() {
            let mut z = self.normals();
            if let Some(weight) = design.weight(j) {
                add_scaled(&mut combination, weight, &z);
            } else if let (Some(link), true) = (&design.link, j + 1 == design.features()) {
                mix(&mut z, (link.gap * (2.0 - link.gap)).sqrt(), 1.0 - link.gap, &combination);
            }
            if rho > 0.0 {
                mix(&mut z, (1.0 - rho).sqrt(), rho.sqrt(), &common);
            }
            self.place(&mut z, feature);
            add_scaled(&mut response, feature.coefficient, &z);
            let cells = if feature.count {
                Cells::Count(z.iter().map(|&x| x as i64).collect())
            } else {
                Cells::Real(z)
            };
            features.push(Column { cells, nulls: self.null_cells() });
        }
        let noise = self.normals();
        add_scaled(&mut response, design.options.noise, &noise);
        self.round(&mut response);
        Block { response, features }
    }

    fn normals(&mut self) -> Vec<f64> {
        (0..BLOCK_ROWS).map(|_| self.cells.sample(StandardNormal)).collect()
    }

    /// Brings standard normal numbers to the mean, scale and rounding of a feature.
    fn place(&self, z: &mut [f64], feature: &Feature) {
        for value in &mut *z {
            *value = feature.mean + feature.scale * *value;
        }
        if feature.count {
            for value in z {
                *value = value.round().max(0.0);
            }
        } else {
            self.round(z);
        }
    }

    fn round(&self, values: &mut [f64]) {
        let Some(decimals) = self.design.options.decimals else { return };
        let power = power_of_ten(decimals);
        for value in values {
            // Adding 0 turns -0 into 0, which text would show with its sign.
            *value = (*value * power).round() / power + 0.0;
        }
    }

    fn null_cells(&mut self) -> Vec<bool> {
        let share = self.design.options.nulls;
        if share == 0.0 {
            return Vec::new();
        }
        (0..BLOCK_ROWS).map(|_| self.nulls.random::<f64>() < share).collect()
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        if self.rows_left == 0 {
            return None;
        }
        let mut block = self.draw();
        if self.rows_left < BLOCK_ROWS as u64 {
            block.truncate(self.rows_left as usize);
        }
        self.rows_left -= block.rows() as u64;
        Some(block)
    }
}

/// `to += weight * from`
fn add_scaled(to: &mut [f64], weight: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += weight * from;
    }
}

/// `to = keep * to + weight * from`
fn mix(to: &mut [f64], keep: f64, weight: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = keep * *to + weight * from;
    }
}

/// Exact for the 15 decimals allowed.
fn power_of_ten(exponent: u32) -> f64 {
    10_u64.pow(exponent) as f64
}

/// The number with this many significant digits, as its decimal text is read back.
fn rounded_to_digits(number: f64, digits: usize) -> f64 {
    format!("{number:.*e}", digits - 1).parse().unwrap_or(number)
}
