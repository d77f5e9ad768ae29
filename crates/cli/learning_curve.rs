//! The learning curve as a picture.

use anyhow::{Result, anyhow};
use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;
use streamreg::{Phase, TracePoint, short};

/// Width and height of the picture.
const SIZE: (u32, u32) = (900, 560);

/// Losses that differ by more than this factor stand on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 12.0;

const BATCHES: RGBColor = RGBColor(31, 119, 180);
const ALL_ROWS: RGBColor = RGBColor(214, 39, 40);
const HELD_OUT: RGBColor = RGBColor(44, 140, 44);

/// Points of a curve: passes over the data, and losses.
type Line = Vec<(f64, f64)>;

/// What is drawn.
struct Curves {
    /// A line an epoch.
    batches: Vec<Line>,
    all_rows: Line,
    held_out: Line,
    /// What the horizontal axis counts.
    across: &'static str,
}

impl Curves {
    fn new(points: &[TracePoint]) -> Self {
        // Without a gradient of all rows the first epoch was not brought to its end: nobody knows its length.
        let complete = points.iter().any(|p| p.phase == Phase::Gradient);
        let longest =
            |pass: usize| points.iter().filter(|p| p.epoch == pass).map(|p| p.rows).max().unwrap_or(1);
        let at = |p: &TracePoint| match p.phase {
            Phase::Epoch if !complete => p.batch as f64,
            Phase::Epoch => p.epoch as f64 - 1.0 + p.rows as f64 / longest(p.epoch).max(1) as f64,
            _ => p.epoch as f64,
        };
        let line = |wanted: &dyn Fn(&TracePoint) -> Option<f64>| -> Line {
            let finite = points.iter().filter_map(|p| Some((at(p), wanted(p)?)));
            finite.filter(|(_, loss)| loss.is_finite()).collect()
        };
        let mut epochs: Vec<usize> =
            points.iter().filter(|p| p.phase == Phase::Epoch).map(|p| p.epoch).collect();
        epochs.dedup();
        let of_epoch = |epoch: &usize| {
            line(&|p: &TracePoint| (p.phase == Phase::Epoch && p.epoch == *epoch).then_some(p.loss))
        };
        let whole = |p: &TracePoint| p.phase == Phase::Gradient;
        Self {
            batches: epochs.iter().map(of_epoch).collect(),
            all_rows: line(&|p| whole(p).then_some(p.loss)),
            held_out: line(&|p| p.held_out_loss.filter(|_| whole(p))),
            across: if complete { "Passes over the data" } else { "Batches" },
        }
    }

    fn all(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.batches.iter().flatten().chain(&self.all_rows).chain(&self.held_out)
    }

    /// Whether the end is higher than the beginning.
    fn climbs(&self) -> bool {
        let ends = |line: &Line| Some((line.first()?.1, line.last()?.1));
        let first = self.batches.first().unwrap_or(&self.all_rows);
        let last = self.batches.last().unwrap_or(&self.all_rows);
        ends(first).zip(ends(last)).is_some_and(|((from, _), (_, to))| to > from)
    }

    /// The least and the largest loss, and whether the axis is logarithmic.
    fn range(&self) -> (f64, f64, bool) {
        let least = self.all().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
        let most = self.all().map(|(_, loss)| *loss).fold(f64::NEG_INFINITY, f64::max);
        if !(least.is_finite() && most.is_finite()) {
            return (0.0, 1.0, false);
        }
        if least > 0.0 && most > LOGARITHMIC_FROM * least {
            return (least / 1.25, most * 1.25, true);
        }
        let room = if most > least { 0.08 * (most - least) } else { 0.1 * most.abs().max(1e-12) };
        let from = if least >= 0.0 { (least - room).max(0.0) } else { least - room };
        (from, most + room, false)
    }
}

/// An SVG picture of the losses on the way.
///
/// # Errors
/// When the plotting library refuses something.
pub(crate) fn learning_curve(points: &[TracePoint], title: &str) -> Result<String> {
    let curves = Curves::new(points);
    let (least, most, logarithmic) = curves.range();
    let first = curves.all().map(|(x, _)| *x).fold(f64::INFINITY, f64::min).min(1.0).floor();
    let last = curves.all().map(|(x, _)| *x).fold(0.0, f64::max);
    let across = first..last.max(first + 1e-3) + 0.02 * (last - first).max(1e-3);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(title, ("sans-serif", 20)).margin(16).x_label_area_size(52).y_label_area_size(84);
        if logarithmic {
            let mut chart = builder.build_cartesian_2d(across, (least..most).log_scale()).map_err(failed)?;
            draw(&mut chart, &curves, "Mean loss (logarithmic)")?;
        } else {
            let mut chart = builder.build_cartesian_2d(across, least..most).map_err(failed)?;
            draw(&mut chart, &curves, "Mean loss")?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

type Chart<'a, 'd, Y> =
    ChartContext<'a, SVGBackend<'d>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>;

fn draw<'a, 'd: 'a, Y>(chart: &mut Chart<'a, 'd, Y>, curves: &Curves, losses: &str) -> Result<()>
where
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(curves.across)
        .y_desc(losses)
        .axis_desc_style(("sans-serif", 17))
        .label_style(("sans-serif", 15))
        .x_label_formatter(&|x| short(*x))
        .y_label_formatter(&|y| short(*y))
        .light_line_style(WHITE)
        .draw()
        .map_err(failed)?;
    let dots = |line: &Line, colour: RGBColor| -> Vec<Circle<(f64, f64), i32>> {
        line.iter().map(|point| Circle::new(*point, 4, colour.filled())).collect()
    };
    let legend = |colour: RGBColor| {
        move |(x, y): (i32, i32)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(3))
    };
    for (number, epoch) in curves.batches.iter().enumerate() {
        let line = LineSeries::new(epoch.iter().copied(), BATCHES.stroke_width(2));
        let series = chart.draw_series(line).map_err(failed)?;
        if number == 0 {
            series.label("batches, as they are learnt from").legend(legend(BATCHES));
        }
    }
    if curves.batches.is_empty() && curves.all_rows.len() > 1 {
        let line = LineSeries::new(curves.all_rows.iter().copied(), ALL_ROWS.stroke_width(2));
        chart.draw_series(line).map_err(failed)?;
    }
    if !curves.all_rows.is_empty() {
        let series = chart.draw_series(dots(&curves.all_rows, ALL_ROWS)).map_err(failed)?;
        series.label("all rows, at the end of a pass").legend(legend(ALL_ROWS));
    }
    if !curves.held_out.is_empty() {
        let line = LineSeries::new(curves.held_out.iter().copied(), HELD_OUT.stroke_width(2));
        chart.draw_series(line).map_err(failed)?.label("rows held out").legend(legend(HELD_OUT));
    }
    chart
        .configure_series_labels()
        .position(if curves.climbs() {
            SeriesLabelPosition::UpperLeft
        } else {
            SeriesLabelPosition::UpperRight
        })
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.4))
        .label_font(("sans-serif", 15))
        .draw()
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the learning curve cannot be drawn: {error}")
}
