//! Dates in fields (RFC 9110 5.6.7).

/// Reads a date, in seconds of Unix time: `Sun, 06 Nov 1994 08:49:37 GMT`, or one of the two older forms,
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`. `None` when it is none.
///
/// # Examples
///
/// ```
/// use gstmjpeghttp::http::parse_date;
///
/// assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
/// ```
pub fn parse_date(date: &str) -> Option<u64> {
    let words = || date.split([' ', ',', '-']).filter(|word| !word.is_empty());
    let month = words().find_map(|word| MONTHS.iter().position(|month| month.eq_ignore_ascii_case(word)))?;
    let mut numbers = words().filter_map(|word| word.parse::<u64>().ok());
    let (day, year) = (numbers.next()?, numbers.next()?);
    let mut time = words().find(|word| word.contains(':'))?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // Of the two digits of the second form, those up to 69 are this century's: so POSIX reads them.
    let year = match year {
        0..=69 => 2000 + year,
        70..=99 => 1900 + year,
        _ => year,
    };
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_before(year, u64::try_from(month).ok()?) + day - 1;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970 to the first of a month, counted from 0.
fn days_before(year: u64, month: u64) -> u64 {
    // Counted in years that begin in March, so that the leap day is a year's last day.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Five months from March or August on have 153 days. 719 468 days lie between March of the year 0 and 1970.
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_the_same_moment() {
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_date(date), Some(784_111_777), "{date}");
        }
    }

    #[test]
    fn days_are_counted_across_leap_years() {
        for (date, time) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Mon, 31 Dec 2029 23:59:59 GMT", 1_893_455_999),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(parse_date(date), Some(time), "{date}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "120", "soon", "06 Nov", "06 Nov 1994", "06 Nov 1994 8", "99 Nov 1994 08:49:37", "06 Nov 1994 x:y:z"]
        {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
