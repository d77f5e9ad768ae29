//! Dates and times as people write them, and the formats that read them.

/// A date or a time as a person writes it.
pub(super) struct DatePattern {
    /// Whether it is a time of day.
    pub(super) is_time: bool,
    /// In the notation of `strftime`; more than one where the order of day and month cannot be told.
    pub(super) formats: Vec<String>,
}

impl DatePattern {
    pub(super) fn of(text: &str) -> Option<Self> {
        if let Some(time) = time_format(text) {
            return Some(Self { is_time: true, formats: vec![time] });
        }
        let apart = text.split_once([' ', 'T']).or_else(|| text.split_once(':'));
        let (date, time) = match apart.filter(|(date, _)| !date.ends_with(',')) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let (dates, time) = match date_formats(date) {
            Some(formats) => (formats, time),
            // `3 Jan 2024`, `Jan 3, 2024`: the whole of it.
            None => (date_formats(text)?, None),
        };
        let behind = match time {
            Some(time) => format!("{}{}", &text[date.len()..=date.len()], time_format(time)?),
            None => String::new(),
        };
        let formats = dates.into_iter().map(|date| date + &behind).collect();
        Some(Self { is_time: false, formats })
    }
}

/// `%H:%M`, `%I:%M:%S %p` and the like.
fn time_format(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let (clock, half) = match upper.strip_suffix("AM").or_else(|| upper.strip_suffix("PM")) {
        Some(clock) if clock.ends_with(' ') => (clock.trim_end(), " %p"),
        Some(clock) => (clock, "%p"),
        None => (upper.as_str(), ""),
    };
    let (clock, fraction) =
        clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let parts: Vec<&str> = clock.split(':').collect();
    let digits = |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(digits) {
        return None;
    }
    let hour = if half.is_empty() { "%H" } else { "%I" };
    let seconds = if parts.len() == 3 { ":%S" } else { "" };
    let fraction = match fraction {
        Some(digits) if parts.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()) => "%.f",
        Some(_) => return None,
        None => "",
    };
    Some(format!("{hour}:%M{seconds}{fraction}{half}"))
}

/// What three groups, or a year and a month, may mean.
fn date_formats(text: &str) -> Option<Vec<String>> {
    // `03JAN2024`, as SAS has it.
    if let (Some(day), Some(month), Some(year)) = (text.get(..2), text.get(2..5), text.get(5..))
        && is_month(month)
        && day.bytes().chain(year.bytes()).all(|b| b.is_ascii_digit())
        && matches!(year.len(), 2 | 4)
    {
        return Some(vec![if year.len() == 4 { "%d%b%Y".into() } else { "%d%b%y".into() }]);
    }
    let separator = text.chars().find(|c| !c.is_alphanumeric())?;
    let groups: Vec<&str> = text.split([separator, ',', ' ']).filter(|group| !group.is_empty()).collect();
    let numbers: Vec<Option<u32>> = groups.iter().map(|group| group.parse().ok()).collect();
    let between =
        if text.contains(", ") { "" } else { &text[text.find(separator)?..][..separator.len_utf8()] };
    if !"./- ".contains(separator) || groups.len() > 3 {
        return None;
    }
    let year = |at: usize| match groups[at].len() {
        4 => Some("%Y"),
        2 => Some("%y"),
        _ => None,
    };
    let day = |number: Option<u32>| number.is_some_and(|number| (1..=31).contains(&number));
    let month = |number: Option<u32>| number.is_some_and(|number| (1..=12).contains(&number));
    let joined = |parts: [&str; 3]| parts.join(between);
    match numbers.as_slice() {
        // A point would make it a number.
        [Some(_), second] if groups[0].len() == 4 && month(*second) && separator != '.' => {
            Some(vec![format!("%Y{between}%m")])
        }
        [Some(_), second, third] if groups[0].len() == 4 && month(*second) && day(*third) => {
            Some(vec![joined(["%Y", "%m", "%d"])])
        }
        [first, None, Some(_)] if day(*first) && is_month(groups[1]) => {
            Some(vec![joined(["%d", month_format(groups[1]), year(2)?])])
        }
        [None, second, Some(_)] if day(*second) && is_month(groups[0]) => Some(vec![if between.is_empty() {
            format!("{} %d, {}", month_format(groups[0]), year(2)?)
        } else {
            joined([month_format(groups[0]), "%d", year(2)?])
        }]),
        [first, second, Some(_)] => {
            let year = year(2)?;
            let day_first = (day(*first) && month(*second)).then(|| joined(["%d", "%m", year]));
            let month_first = (month(*first) && day(*second)).then(|| joined(["%m", "%d", year]));
            // Points are written where days come first.
            let month_first = month_first.filter(|_| separator != '.' || day_first.is_none());
            let formats: Vec<String> = day_first.into_iter().chain(month_first).collect();
            (!formats.is_empty()).then_some(formats)
        }
        _ => None,
    }
}

/// Of a name, or its first three letters.
fn month_format(name: &str) -> &'static str {
    if name.len() > 3 { "%B" } else { "%b" }
}

fn is_month(name: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    name.get(..3).is_some_and(|start| MONTHS.contains(&start.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
mod tests {
    use super::*;
    use crate::csv::cells::Cells;
    use crate::csv::options::{ColumnType, CsvOptions};

    #[test]
    fn dates_and_times_under_other_conventions() {
        for (text, formats) in [
            ("03.01.2024", &["%d.%m.%Y"][..]),
            ("13/1/24", &["%d/%m/%y"]),
            ("1/13/2024", &["%m/%d/%Y"]),
            ("1/2/2024", &["%d/%m/%Y", "%m/%d/%Y"]),
            ("2024/01/03", &["%Y/%m/%d"]),
            ("2024-01", &["%Y-%m"]),
            ("03-Jan-2024", &["%d-%b-%Y"]),
            ("3 Jan 2024", &["%d %b %Y"]),
            ("Jan 3, 2024", &["%b %d, %Y"]),
            ("03.01.2024 14:30", &["%d.%m.%Y %H:%M"]),
            ("1/13/2024 2:30:05 PM", &["%m/%d/%Y %I:%M:%S %p"]),
            ("2:30 PM", &["%I:%M %p"]),
            ("3 January 2024", &["%d %B %Y"]),
            ("03JAN2024", &["%d%b%Y"]),
            ("03JAN2024:07:05:00", &["%d%b%Y:%H:%M:%S"]),
            ("36:15:00", &["%H:%M:%S"]),
        ] {
            let found = DatePattern::of(text).unwrap();
            assert_eq!(found.formats, formats, "{text}");
            let options = formats.iter().map(|format| CsvOptions::default().date_format(*format));
            for cells in options.map(|options| Cells::new(&options).unwrap()).filter(|_| text != "36:15:00") {
                assert!(
                    ColumnType::TYPED[2..].iter().any(|t| cells.fits(*t, text.as_bytes())),
                    "{text} {formats:?}"
                );
            }
        }
    }
}
